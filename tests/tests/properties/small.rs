//! A small world that is the same in both families, and frames of it.

use lb_common::abi::{
    Address, Macs, NextHop, Select, Server, ServiceKey, Tags, mode, protocol, server_flags,
};
use lb_common::datapath::Route;
use lb_tests::dataplane::World;
use lb_tests::generate::{Craft, Payload, View};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Modes of the services; NAT twice, with the same servers.
pub(crate) const MODES: [u8; 4] = [mode::NAT, mode::NAT, mode::DR, mode::TUNNEL];
/// Clients that have a route.
pub(crate) const CLIENTS: std::ops::Range<u8> = 1..6;
/// The services' port.
const PORT: u16 = 443;
/// The NAT servers' port.
const SERVER_PORT: u16 = 8443;

/// TCP and UDP services of each of [`MODES`], with so many servers each.
pub(crate) fn world(is_v4: bool, select: Select, servers: u8) -> World {
    let mut world = World::empty();
    for (number, mode) in MODES.into_iter().enumerate() {
        for protocol in [protocol::TCP, protocol::UDP] {
            let key = ServiceKey::new(Address::from(vip(is_v4, number)), PORT.to_be(), protocol);
            let servers: Vec<_> = (1..=servers).map(|number| server(is_v4, mode, number)).collect();
            let service = World::service(world.services.len() as u32 / 2, select);
            world.add_service(key, service, &servers);
            world.add_fragments(&key, 0);
        }
    }
    let routes = CLIENTS.map(|number| (client(is_v4, number), Route::Via(hop(0xc0, number))));
    world.routes.extend(routes);
    world
}

/// A virtual address, by index in [`MODES`].
pub(crate) fn vip(is_v4: bool, number: usize) -> IpAddr {
    address(is_v4, 100, number as u8 + 1)
}

/// A client's address.
pub(crate) fn client(is_v4: bool, number: u8) -> IpAddr {
    address(is_v4, 1, number)
}

/// A client's packet to a service by index in [`MODES`].
pub(crate) fn request(source: IpAddr, number: usize, payload: Payload) -> Craft {
    Craft::new(source, vip(source.is_ipv4(), number), payload)
}

/// TCP or UDP to a service.
pub(crate) fn transport(protocol: u8, port: u16, tcp_flags: u8, data: Vec<u8>) -> Payload {
    match protocol {
        protocol::TCP => Payload::Tcp([port, PORT], tcp_flags, Vec::new(), data),
        _ => Payload::Udp([port, PORT], true, data),
    }
}

/// The frame that goes back: addresses and ports change places, which leaves all sums right.
pub(crate) fn turned(frame: &[u8]) -> Vec<u8> {
    let view = View::of(frame).expect("a packet");
    let mut turned = frame.to_vec();
    let (addresses, length) =
        if view.source.is_ipv4() { (view.l3 + 12, 4) } else { (view.l3 + 8, 16) };
    turned[addresses..addresses + 2 * length].rotate_left(length);
    turned[view.l4..view.l4 + 4].rotate_left(2);
    turned
}

fn server(is_v4: bool, mode: u8, number: u8) -> Server {
    Server {
        next_hop: hop(mode, number),
        address: Address::from(address(is_v4, 10, number)),
        tunnel_source: Address::from(address(is_v4, 11, 1)),
        generation: 1,
        service: 0,
        port: if mode == mode::NAT { SERVER_PORT } else { PORT }.to_be(),
        mode,
        flags: server_flags::PRESENT | server_flags::RESOLVED,
        weight: 1,
        max_connections: 0,
        pad: 0,
    }
}

fn hop(kind: u8, number: u8) -> NextHop {
    let macs = Macs::new([2, kind, 0, 0, 0, number], [2, 0xd1, 0, 0, 0, 1]);
    NextHop { tags: Tags::NONE, ifindex: 2 + u32::from(number), mtu: 1500, macs }
}

fn address(is_v4: bool, network: u8, number: u8) -> IpAddr {
    if is_v4 {
        Ipv4Addr::new(198, 18, network, number).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, network.into(), 0, 0, 0, 0, number.into()).into()
    }
}
