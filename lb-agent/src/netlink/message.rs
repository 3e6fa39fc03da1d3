//! From netlink messages to what they mean here.

use super::resolve::Route;
use super::topology::{Event, Hop, Interface, Neighbour, OwnAddress, Vlan};
use ipnet::IpNet;
use lb_common::abi::Tag;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{
    InfoData, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
    VlanQosMapping,
};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteType, RouteVia,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a message from a dump or a multicast group says, if it matters here.
pub(super) fn event(message: RouteNetlinkMessage) -> Option<Event> {
    use RouteNetlinkMessage as Message;
    match message {
        Message::NewLink(link) => interface(&link).map(Event::Link),
        // A bridge tells with its own family that a port has left it.
        Message::DelLink(link) => (link.header.interface_family == AddressFamily::Unspec)
            .then_some(Event::LinkGone(link.header.index)),
        Message::NewAddress(address) => {
            own_address(&address).map(|(own, flags)| Event::Address(own, Some(flags)))
        }
        Message::DelAddress(address) => {
            own_address(&address).map(|(own, _)| Event::Address(own, None))
        }
        Message::NewNeighbour(neighbour) => {
            hop(&neighbour).map(|hop| Event::Neighbour(hop, usable(&neighbour)))
        }
        Message::DelNeighbour(neighbour) => hop(&neighbour).map(|hop| Event::Neighbour(hop, None)),
        Message::NewRoute(route) | Message::DelRoute(route) => prefix(&route).map(Event::Route),
        Message::NewRule(_) | Message::DelRule(_) => Some(Event::Rule),
        _ => None,
    }
}

/// The kernel's answer to [`super::request::route`].
pub(super) fn route(answer: &RouteMessage) -> Route {
    let none = |why: &str| Route::Nowhere(why.to_owned());
    match answer.header.kind {
        RouteType::Unicast => {}
        RouteType::Local | RouteType::Anycast => return Route::Local,
        RouteType::BlackHole => return none("the route is a blackhole"),
        RouteType::Prohibit => return none("the route prohibits it"),
        RouteType::Unreachable => return none("the route says unreachable"),
        RouteType::Broadcast => return none("it is a broadcast address"),
        RouteType::Multicast => return none("it is a multicast address"),
        _ => return none("the route is of a type that leads to no machine"),
    }
    let (mut ifindex, mut gateway, mut source, mut mtu) = (None, None, None, None);
    for attribute in &answer.attributes {
        match attribute {
            RouteAttribute::Oif(index) => ifindex = Some(*index),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::Via(RouteVia::Inet(address)) => gateway = Some((*address).into()),
            RouteAttribute::Via(RouteVia::Inet6(address)) => gateway = Some((*address).into()),
            RouteAttribute::Via(_) => return none("the route's gateway has no IP address"),
            RouteAttribute::Encap(_) => return none("the route encapsulates packets"),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(mtu) if *mtu != 0 => Some(*mtu),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    match ifindex {
        Some(ifindex) => Route::Out { ifindex, gateway, source, mtu },
        None => none("the route names no interface"),
    }
}

/// The kernel's refusal of [`super::request::route`]: which errors are an answer about the
/// address is told by `fib_props` in net/ipv4/fib_semantics.c.
pub(super) fn no_route(error: &io::Error) -> Route {
    Route::Nowhere(match error.raw_os_error() {
        Some(libc::ENETUNREACH) => "there is no route to it".to_owned(),
        Some(libc::EHOSTUNREACH) => "the route says unreachable".to_owned(),
        Some(libc::EACCES) => "the route prohibits it".to_owned(),
        Some(libc::EINVAL) => "the route is a blackhole".to_owned(),
        _ => format!("the kernel finds no route to it: {error}"),
    })
}

fn interface(message: &LinkMessage) -> Option<Interface> {
    let header = &message.header;
    if header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let (mut name, mut mac, mut mtu, mut lower, mut elsewhere, mut tag) =
        (None, None, 0, None, false, None);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(value) => name = Some(value.clone()),
            LinkAttribute::Address(bytes) => mac = ethernet(bytes),
            LinkAttribute::Mtu(value) => mtu = *value,
            LinkAttribute::Link(index) => lower = Some(*index),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            LinkAttribute::LinkInfo(info) => tag = vlan_tag(info),
            _ => {}
        }
    }
    Some(Interface {
        index: header.index,
        // Messages without a name are about something else (wireless events).
        name: name?,
        mac: mac.filter(|_| header.link_layer_type == LinkLayerType::Ether),
        mtu,
        up: header.flags.contains(LinkFlags::Up),
        carrier: header.flags.contains(LinkFlags::LowerUp),
        vlan: tag.map(|tag| Vlan { lower: lower.filter(|_| !elsewhere), tag }),
    })
}

fn vlan_tag(info: &[LinkInfo]) -> Option<Tag> {
    let data = info.iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::Vlan(data)) => Some(data),
        _ => None,
    })?;
    let (mut tpid, mut id, mut priority) = (None, None, 0);
    for value in data {
        match value {
            InfoVlan::Id(value) => id = Some(*value),
            InfoVlan::Protocol(protocol) => tpid = Some(u16::from(*protocol)),
            // Forwarded packets have priority 0; the map says what that becomes in the tag.
            InfoVlan::EgressQos(map) => {
                priority = map
                    .iter()
                    .find_map(|mapping| match mapping {
                        VlanQosMapping::Mapping(0, to) => Some(*to as u16 & 7),
                        _ => None,
                    })
                    .unwrap_or(0);
            }
            _ => {}
        }
    }
    Some(Tag { tpid: tpid?.to_be(), tci: (priority << 13 | id?).to_be() })
}

fn own_address(message: &AddressMessage) -> Option<(OwnAddress, u32)> {
    let header = &message.header;
    let (mut address, mut local) = (None, None);
    let mut flags = u32::from(header.flags.bits());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(value) => address = Some(*value),
            AddressAttribute::Local(value) => local = Some(*value),
            AddressAttribute::Flags(value) => flags = value.bits(),
            _ => {}
        }
    }
    // With a peer, IFA_ADDRESS is the peer's.
    let address = local.or(address)?;
    Some((OwnAddress { ifindex: header.index, address, prefix_len: header.prefix_len }, flags))
}

fn hop(message: &NeighbourMessage) -> Option<Hop> {
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::from(*v4)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::from(*v6)),
        _ => None,
    })?;
    Some(Hop { ifindex: message.header.ifindex, address })
}

fn usable(message: &NeighbourMessage) -> Option<Neighbour> {
    let stale = match message.header.state {
        NeighbourState::Stale => true,
        NeighbourState::Reachable
        | NeighbourState::Delay
        | NeighbourState::Probe
        | NeighbourState::Permanent
        | NeighbourState::Noarp => false,
        _ => return None,
    };
    let mac = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => ethernet(bytes),
        _ => None,
    })?;
    Some(Neighbour { mac, stale })
}

fn prefix(message: &RouteMessage) -> Option<IpNet> {
    let header = &message.header;
    // Cached routes are made by traffic, and change nothing.
    if header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let anywhere: IpAddr = match header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let destination = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(address) => ip(address),
        _ => None,
    });
    IpNet::new(destination.unwrap_or(anywhere), header.destination_prefix_length).ok()
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}

fn ethernet(bytes: &[u8]) -> Option<[u8; 6]> {
    bytes.try_into().ok()
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
