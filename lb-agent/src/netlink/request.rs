//! The netlink messages that are sent.

use super::topology::Hop;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use std::net::IpAddr;

pub(super) type Message = NetlinkMessage<RouteNetlinkMessage>;

/// Asks for all links, all addresses and all neighbours, in this order.
pub(super) fn dumps() -> [Message; 3] {
    [
        RouteNetlinkMessage::GetLink(LinkMessage::default()),
        RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()),
    ]
    .map(|message| with_flags(message, NLM_F_DUMP))
}

/// Asks how the kernel would send to `address`.
pub(super) fn route(address: IpAddr) -> Message {
    let mut message = RouteMessage::default();
    let (family, bits) = family(address);
    message.header.address_family = family;
    message.header.destination_prefix_length = bits;
    message.attributes.push(RouteAttribute::Destination(address.into()));
    with_flags(RouteNetlinkMessage::GetRoute(message), 0)
}

/// Asks the kernel to act as if it had a packet for the neighbour: to resolve it, or to look
/// whether it is still there if it is stale (`neigh_event_send`).
pub(super) fn use_neighbour(hop: Hop) -> Message {
    let mut message = NeighbourMessage::default();
    message.header.family = family(hop.address).0;
    message.header.ifindex = hop.ifindex;
    message.header.flags = NeighbourFlags::Use;
    message.attributes.push(NeighbourAttribute::Destination(hop.address.into()));
    with_flags(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_ACK)
}

fn family(address: IpAddr) -> (AddressFamily, u8) {
    match address {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    }
}

fn with_flags(message: RouteNetlinkMessage, flags: u16) -> Message {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message))
}
