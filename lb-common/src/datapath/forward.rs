//! From a client to the chosen server: checks, then NAT, direct routing or tunnel.

use super::family::{Family, V4, V6};
use super::packet::{End, Packet};
use super::{Frame, Verdict, link, nat};
use crate::abi::{Server, mode, server_flags};
use crate::reason::Reason;

/// Whether the packet can go to the server at all. Nothing is changed yet.
#[inline(always)]
pub(super) fn check(packet: &Packet, server: &Server) -> Result<(), Verdict> {
    if server.flags & server_flags::PRESENT == 0 {
        return Err(Reason::ServerGone.into());
    }
    if server.flags & server_flags::LOCAL != 0 {
        return Ok(());
    }
    if server.flags & server_flags::RESOLVED == 0 {
        return Err(Reason::NextHopUnresolved.into());
    }
    if packet.ttl <= 1 {
        return Err(Reason::TtlExpired.into());
    }
    let mtu = (server.next_hop.mtu as usize).saturating_sub(overhead(server));
    if packet.length > mtu {
        return Err(Verdict::too_big(mtu as u32));
    }
    Ok(())
}

/// Sends a packet that passed [`check`] to the server. `rewrite` is what NAT does to it.
#[inline(always)]
pub(super) fn to_server<V: Family, F: Frame>(
    frame: &mut F,
    packet: &Packet,
    server: &Server,
    rewrite: impl FnOnce(&mut F) -> Result<(), Reason>,
    reason: Reason,
) -> Result<Verdict, Verdict> {
    if server.flags & server_flags::LOCAL != 0 {
        return Err(Reason::LocalServer.into());
    }
    V::decrement_ttl(frame.at(packet.l3)?);
    match server.mode {
        mode::TUNNEL if server.address.is_v4() => encapsulate::<V, V4, F>(frame, packet, server)?,
        mode::TUNNEL => encapsulate::<V, V6, F>(frame, packet, server)?,
        other => {
            if other == mode::NAT {
                rewrite(frame)?;
            }
            link::readdress(frame, packet.l3, 0, V::ETHERTYPE, &server.next_hop)?;
        }
    }
    Ok(Verdict::forwarded(reason, server.next_hop.ifindex))
}

/// NAT's change to a packet of TCP or UDP.
#[inline(always)]
pub(super) fn nat<V: Family, F: Frame>(
    frame: &mut F,
    packet: &Packet,
    server: &Server,
) -> Result<(), Reason> {
    nat::rewrite::<V, F>(frame, packet, End::Destination, &server.address, server.port)
}

/// Puts an outer header of family `O` in front (RFC 2003, RFC 2473).
#[inline(always)]
fn encapsulate<V: Family, O: Family, F: Frame>(
    frame: &mut F,
    packet: &Packet,
    server: &Server,
) -> Result<(), Reason> {
    let outer = link::readdress(frame, packet.l3, O::HEADER, O::ETHERTYPE, &server.next_hop)?;
    let header: &mut O::Header = frame.at(outer)?;
    *header = O::header(
        &server.tunnel_source,
        &server.address,
        V::ENCAPSULATED,
        packet.traffic_class,
        packet.length as u16,
    );
    Ok(())
}

/// Bytes that the way to the server adds to an IP packet.
#[inline(always)]
fn overhead(server: &Server) -> usize {
    match server.mode {
        mode::TUNNEL if server.address.is_v4() => V4::HEADER,
        mode::TUNNEL => V6::HEADER,
        _ => 0,
    }
}
