//! Fragments: by the addresses alone, where that leads all fragments of a packet to the server that
//! the service's other packets have.

use super::env::Env;
use super::family::Family;
use super::packet::Packet;
use super::{Frame, Verdict, forward, select, service_key};
use crate::abi::{Select, Service, mode, protocol, service_flags};
use crate::reason::Reason;

/// Treats a fragment of TCP or UDP.
#[inline(never)]
pub(super) fn process<V: Family, F: Frame, E: Env>(
    frame: &mut F,
    env: &E,
    packet: &Packet,
) -> Verdict {
    let mut send = || {
        // The ports are not read, so this is the key of the entry for fragments.
        let Some(service) = env.service(&service_key(&packet.key)) else {
            let from_server = env.is_nat_source(packet.source(), 0, packet.protocol());
            let reason =
                if from_server { Reason::FragmentFromServer } else { Reason::NotForService };
            return Err(reason.into());
        };
        if V::is_bogus_source(packet.source()) {
            return Err(Reason::BogusSource.into());
        }
        if service.flags & service_flags::AMBIGUOUS != 0 {
            return Err(Reason::FragmentAmbiguous.into());
        }
        let needs_port = packet.protocol() == protocol::TCP && !goes_by_address(service);
        if needs_port || service.persist != 0 {
            return Err(Reason::FragmentNeedsPort.into());
        }
        let slot = select::fragment_slot(service, &packet.key);
        let index = select::server_in_slot(env, service, slot)?;
        let server = env.server(index).ok_or(Reason::ServerGone)?;
        if server.mode == mode::NAT {
            return Err(Reason::FragmentNat.into());
        }
        forward::check(packet, server)?;
        env.count_in(service.id, index, packet.length as u64, false);
        forward::to_server::<V, F>(frame, packet, server, |_| Ok(()), Reason::ToServer)
    };
    Verdict::of(send())
}

/// Whether a flow's server is the one that its addresses choose.
#[inline(always)]
fn goes_by_address(service: &Service) -> bool {
    let is_hashed =
        service.select == Select::Source as u8 || service.select == Select::Destination as u8;
    // A full server's flows go to others.
    is_hashed && service.flags & service_flags::LIMITED == 0
}
