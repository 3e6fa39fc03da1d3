//! From a NAT server back to the client.

use super::env::{Env, Route, RouteQuery};
use super::family::Family;
use super::packet::{End, Packet};
use super::{Frame, Verdict, link, nat, track};
use crate::abi::{Address, Flow, NextHop};
use crate::reason::Reason;

/// Sends a server's packet on to the client, in the virtual address's name.
#[inline(never)]
pub(super) fn to_client<V: Family, F: Frame, E: Env>(
    frame: &mut F,
    env: &E,
    packet: &Packet,
) -> Verdict {
    let mut send = || {
        let flow = track::reply(env, packet, env.now()).ok_or(Reason::ReplyWithoutFlow)?;
        let hop = route(env, packet, &flow.virtual_address)?;
        count(env, &flow, packet);
        V::decrement_ttl(frame.at(packet.l3)?);
        let (address, port) = (&flow.virtual_address, flow.virtual_port);
        nat::rewrite::<V, F>(frame, packet, End::Source, address, port)?;
        link::readdress(frame, packet.l3, 0, V::ETHERTYPE, &hop)?;
        Ok(Verdict::forwarded(Reason::ToClient, hop.ifindex))
    };
    Verdict::of(send())
}

/// The way of a packet to its client, once its source is the virtual address.
#[inline(always)]
pub(super) fn route<E: Env>(
    env: &E,
    packet: &Packet,
    virtual_address: &Address,
) -> Result<NextHop, Verdict> {
    if packet.ttl <= 1 {
        return Err(Reason::TtlExpired.into());
    }
    let query = RouteQuery {
        source: virtual_address,
        destination: packet.destination(),
        protocol: packet.protocol(),
        length: packet.length as u16,
    };
    match env.route(&query) {
        Route::Via(hop) => Ok(hop),
        Route::TooBig(mtu) => Err(Verdict::too_big(mtu)),
        Route::Unresolved => Err(Reason::NextHopUnresolved.into()),
        Route::None => Err(Reason::NoRoute.into()),
    }
}

/// Counts the packet, unless the flow's server has left and its index is another's.
#[inline(always)]
fn count<E: Env>(env: &E, flow: &Flow, packet: &Packet) {
    if env.server(flow.server).is_some_and(|server| server.generation == flow.generation) {
        env.count_out(flow.service, flow.server, packet.length as u64);
    }
}
