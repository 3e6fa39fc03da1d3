use super::super::topology::tests::tag;
use super::*;
use rtnetlink::packet_core::{Emitable, ParseableParametrized};
use rtnetlink::packet_route::link::{InfoKind, LinkHeader, VlanProtocol};
use rtnetlink::packet_route::route::RouteHeader;
use rtnetlink::{LinkVlan, QosMapping};

/// The message as the kernel's bytes would be read.
fn parsed(message: RouteNetlinkMessage) -> RouteNetlinkMessage {
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    RouteNetlinkMessage::parse_with_param(&bytes, message.message_type()).unwrap()
}

fn link(attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header = LinkHeader {
        index: 3,
        link_layer_type: LinkLayerType::Ether,
        flags: LinkFlags::Up | LinkFlags::LowerUp,
        ..LinkHeader::default()
    };
    message.attributes = attributes;
    message
}

fn neighbour(state: NeighbourState, mac: Option<Vec<u8>>) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = 2;
    message.header.state = state;
    message.attributes =
        vec![NeighbourAttribute::Destination(NeighbourAddress::Inet(Ipv4Addr::new(192, 0, 2, 2)))];
    message.attributes.extend(mac.map(NeighbourAttribute::LinkLayerAddress));
    message
}

fn route_message(family: AddressFamily, attributes: Vec<RouteAttribute>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header =
        RouteHeader { address_family: family, kind: RouteType::Unicast, ..RouteHeader::default() };
    message.attributes = attributes;
    message
}

#[test]
fn a_vlan_interface_is_read_with_its_tag() {
    for (protocol, priority, expected) in [
        (VlanProtocol::Ieee8021Q, None, tag(0x8100, 100)),
        (VlanProtocol::Ieee8021Ad, Some(5), tag(0x88a8, 5 << 13 | 100)),
    ] {
        let qos = priority.map(|to| QosMapping { from: 0, to });
        let mut message = LinkVlan::new("eth0.100", 2, 100)
            .protocol(protocol)
            .qos([], qos.into_iter().chain([QosMapping { from: 1, to: 7 }]))
            .mtu(1400)
            .address(vec![2, 0, 0, 0, 0, 3])
            .build();
        message.header = link(vec![]).header;
        assert_eq!(
            event(parsed(RouteNetlinkMessage::NewLink(message))),
            Some(Event::Link(Interface {
                index: 3,
                name: "eth0.100".to_owned(),
                mac: Some([2, 0, 0, 0, 0, 3]),
                mtu: 1400,
                up: true,
                carrier: true,
                vlan: Some(Vlan { lower: Some(2), tag: expected }),
            }))
        );
    }
}

#[test]
fn a_vlan_of_another_namespace_has_nothing_below() {
    let mut message = LinkVlan::new("moved", 2, 100).protocol(VlanProtocol::Ieee8021Q).build();
    message.attributes.push(LinkAttribute::LinkNetNsId(0));
    let Some(Event::Link(interface)) = event(parsed(RouteNetlinkMessage::NewLink(message))) else {
        panic!("not a link");
    };
    assert_eq!(interface.vlan, Some(Vlan { lower: None, tag: tag(0x8100, 100) }));
}

#[test]
fn interfaces_without_ethernet_addresses_have_none() {
    let name = LinkAttribute::IfName("x".to_owned());
    let mac = |bytes| LinkAttribute::Address(vec![2; bytes]);
    let mut loopback = link(vec![name.clone(), mac(6)]);
    loopback.header.link_layer_type = LinkLayerType::Loopback;
    let mut veth = link(vec![name.clone(), mac(6), LinkAttribute::Link(7)]);
    veth.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth)]));
    for (message, expected) in [
        (loopback, None),
        (link(vec![name.clone()]), None),
        (link(vec![name, mac(20)]), None),
        (veth, Some([2; 6])),
    ] {
        let interface = interface(&message).unwrap();
        assert_eq!((interface.mac, interface.vlan), (expected, None));
    }
}

#[test]
fn messages_about_something_else_are_ignored() {
    let of_bridge = || {
        let mut message = link(vec![LinkAttribute::IfName("port".to_owned())]);
        message.header.interface_family = AddressFamily::Bridge;
        message
    };
    let mut proxy = neighbour(NeighbourState::Permanent, Some(vec![2; 6]));
    proxy.header.flags = NeighbourFlags::Proxy;
    let mut learned = neighbour(NeighbourState::Reachable, Some(vec![2; 6]));
    learned.header.family = AddressFamily::Bridge;
    learned.attributes.remove(0);
    let mut cached = route_message(AddressFamily::Inet6, vec![]);
    cached.header.flags = RouteFlags::Cloned;
    for message in [
        RouteNetlinkMessage::NewLink(of_bridge()),
        RouteNetlinkMessage::DelLink(of_bridge()),
        RouteNetlinkMessage::NewLink(link(vec![])),
        RouteNetlinkMessage::NewNeighbour(proxy),
        RouteNetlinkMessage::NewNeighbour(learned),
        RouteNetlinkMessage::NewRoute(cached),
        RouteNetlinkMessage::NewRoute(route_message(AddressFamily::Mpls, vec![])),
    ] {
        assert_eq!(event(message.clone()), None, "{message:?}");
    }
}

#[test]
fn neighbours_are_usable_in_some_states_and_with_an_address() {
    use NeighbourState as State;
    let mac = || Some(vec![2; 6]);
    for (state, mac, expected) in [
        (State::Reachable, mac(), Some(false)),
        (State::Delay, mac(), Some(false)),
        (State::Probe, mac(), Some(false)),
        (State::Permanent, mac(), Some(false)),
        (State::Noarp, mac(), Some(false)),
        (State::Stale, mac(), Some(true)),
        (State::Incomplete, mac(), None),
        (State::Failed, mac(), None),
        (State::None, mac(), None),
        (State::Reachable, None, None),
        (State::Reachable, Some(vec![2; 20]), None),
    ] {
        let found = event(RouteNetlinkMessage::NewNeighbour(neighbour(state, mac)));
        let hop = Hop { ifindex: 2, address: [192, 0, 2, 2].into() };
        let neighbour = expected.map(|stale| Neighbour { mac: [2; 6], stale });
        assert_eq!(found, Some(Event::Neighbour(hop, neighbour)), "{state:?}");
    }
}

#[test]
fn a_route_names_the_addresses_that_it_is_for() {
    let to = |address: Ipv4Addr| RouteAttribute::Destination(RouteAddress::Inet(address));
    let mut narrow = route_message(AddressFamily::Inet, vec![to(Ipv4Addr::new(198, 51, 100, 0))]);
    narrow.header.destination_prefix_length = 24;
    for (message, expected) in [
        (narrow, "198.51.100.0/24"),
        (route_message(AddressFamily::Inet, vec![]), "0.0.0.0/0"),
        (route_message(AddressFamily::Inet6, vec![]), "::/0"),
    ] {
        let expected = Some(Event::Route(expected.parse().unwrap()));
        assert_eq!(event(RouteNetlinkMessage::NewRoute(message.clone())), expected);
        assert_eq!(event(RouteNetlinkMessage::DelRoute(message)), expected);
    }
}

#[test]
fn answers_that_lead_to_no_neighbour_say_why() {
    use rtnetlink::packet_route::route::{RouteLwTunnelEncap, RouteMplsIpTunnel};
    let answer = |attribute| route(&route_message(AddressFamily::Inet, vec![attribute]));
    let label = RouteLwTunnelEncap::Mpls(RouteMplsIpTunnel::Ttl(1));
    for (attribute, why) in [
        (RouteAttribute::Encap(vec![label]), "the route encapsulates packets"),
        (
            RouteAttribute::Via(RouteVia::Packet(vec![2; 6])),
            "the route's gateway has no IP address",
        ),
        (RouteAttribute::Priority(1), "the route names no interface"),
    ] {
        assert_eq!(answer(attribute), Route::Nowhere(why.to_owned()));
    }
}
