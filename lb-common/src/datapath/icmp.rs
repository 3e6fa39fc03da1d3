//! ICMP errors about flows: to the flow's server, and from behind a NAT director to the client.

use super::env::Env;
use super::family::Family;
use super::packet::{End, Packet};
use super::parse;
use super::{Frame, Scratch, Verdict, flow, forward, link, nat, reply, select, service_of};
use crate::abi::{Address, Service};
use crate::reason::Reason;
use crate::wire::checksum::Sum;
use crate::wire::icmp::{self, Icmp};
use crate::wire::raw;
use crate::wire::transport::Ports;

/// Treats an ICMP or ICMPv6 packet.
#[inline(never)]
pub(super) fn process<V: Family, F: Frame, E: Env>(
    frame: &mut F,
    env: &E,
    scratch: &mut Scratch,
) -> Verdict {
    let Scratch { packet: error, quoted, .. } = scratch;
    let mut send = || {
        quoted_by::<V, F>(frame, error, quoted)?;
        let key = &quoted.key;
        if let Some(service) = service_of(env, key) {
            to_server::<V, F, E>(frame, env, error, quoted, service)
        } else if env.is_nat_source(&key.source, key.source_port, key.protocol) {
            to_client::<V, F, E>(frame, env, error, quoted)
        } else {
            Err(Reason::IcmpUnrelated.into())
        }
    };
    let verdict = Verdict::of(send());
    // No error is sent about an error (RFC 1122, section 3.2.2).
    if verdict.wants_answer() { Reason::Unanswerable.into() } else { verdict }
}

/// Reads the packet in question, if this is an error about one.
#[inline(always)]
fn quoted_by<V: Family, F: Frame>(
    frame: &mut F,
    error: &Packet,
    quoted: &mut Packet,
) -> Result<(), Reason> {
    if !error.fragment.is_whole() {
        return Err(Reason::FragmentedIcmp);
    }
    let header: &Icmp = frame.at(error.payload)?;
    if !V::is_icmp_error(header.kind) {
        return Err(Reason::IcmpQuery);
    }
    quoted.l3 = error.payload + icmp::HEADER;
    parse::quoted::<V, F>(frame, error.l3 + error.length, quoted)
        .map_err(|_| Reason::IcmpUnrelated)?;
    // An error goes to the sender of the packet in question.
    if quoted.destination() == error.destination() { Ok(()) } else { Err(Reason::IcmpUnrelated) }
}

/// About what a server sent to a client.
#[inline(always)]
fn to_server<V: Family, F: Frame, E: Env>(
    frame: &mut F,
    env: &E,
    error: &Packet,
    quoted: &Packet,
    service: &Service,
) -> Result<Verdict, Verdict> {
    if V::is_bogus_source(error.source()) {
        return Err(Reason::BogusSource.into());
    }
    let index = match flow::peek(env, &quoted.key, env.now()) {
        Some(index) => index,
        None => {
            let slot = select::hashed_slot(service, &quoted.key);
            select::server_in_slot(env, service, slot)?
        }
    };
    let server = env.server(index).ok_or(Reason::ServerGone)?;
    forward::check(error, server)?;
    let nat = |frame: &mut F| {
        rewrite::<V, F>(frame, error, quoted, End::Destination, &server.address, server.port)
    };
    forward::to_server::<V, F>(frame, error, server, nat, Reason::ErrorToServer)
}

/// About what a client sent, from a NAT server or from the way there. The client knows neither:
/// the error comes from the virtual address.
#[inline(always)]
fn to_client<V: Family, F: Frame, E: Env>(
    frame: &mut F,
    env: &E,
    error: &Packet,
    quoted: &Packet,
) -> Result<Verdict, Verdict> {
    let (address, port) =
        flow::peek_reply(env, &quoted.key, env.now()).ok_or(Reason::IcmpUnrelated)?;
    let hop = reply::route(env, error, &address)?;
    V::decrement_ttl(frame.at(error.l3)?);
    rewrite::<V, F>(frame, error, quoted, End::Source, &address, port)?;
    link::readdress(frame, error.l3, 0, V::ETHERTYPE, &hop)?;
    Ok(Verdict::forwarded(Reason::ErrorToClient, hop.ifindex))
}

/// Rewrites one end of the error and the opposite end of the packet that it quotes.
#[inline(always)]
fn rewrite<V: Family, F: Frame>(
    frame: &mut F,
    error: &Packet,
    quoted: &Packet,
    end: End,
    address: &Address,
    port: u16,
) -> Result<(), Reason> {
    // The quoted packet went the other way than those of its key.
    let (old_outer, opposite, old_inner, old_port) = match end {
        End::Destination => {
            let key = &quoted.key;
            (error.destination(), End::Source, &key.destination, key.destination_port)
        }
        End::Source => {
            let key = &quoted.key;
            (error.source(), End::Destination, &key.source, key.source_port)
        }
    };
    let outer_change = Sum::ZERO.replace_address(old_outer, address);
    let inner_change = Sum::ZERO.replace_address(old_inner, address);
    V::set_address(frame.at(error.l3)?, end, address, outer_change);
    V::set_address(frame.at(quoted.l3)?, opposite, address, inner_change);
    let ports: &mut Ports = frame.at(quoted.payload)?;
    nat::set_port(ports, opposite, port);

    // An IPv4 header's sum stays the same, as its checksum makes up for the address.
    let mut change = Sum::ZERO.replace(old_port, port);
    if V::ICMP_PSEUDO_HEADER {
        change = change.replace_address(old_outer, address).replace_address(old_inner, address);
    }
    let header: &mut Icmp = frame.at(error.payload)?;
    header.checksum = raw::U16::new(change.update(header.checksum.get()));
    Ok(())
}
