//! A world with every kind of service, and routes to its clients.

use crate::dataplane::{INGRESS, Link, Namespace, World};
use anyhow::Result;
use lb_common::abi::{
    self, Address, Macs, NextHop, Select, Server, Service, ServiceKey, Tag, Tags, Timeouts, mode,
    protocol, server_flags, service_flags,
};
use lb_common::datapath::Route;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The world, and what the generator has to know of it.
pub struct Scene {
    /// For both builds of the data plane.
    pub world: World,
    /// Virtual addresses, their ports and protocols.
    pub targets: Vec<Target>,
    /// Clients' addresses: most with a route, some with a router that is not resolved, some with
    /// none.
    pub clients: Vec<IpAddr>,
}

/// Where clients connect to.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Virtual address.
    pub address: IpAddr,
    /// Port, in the host's order.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: u8,
}

/// How a service forwards.
#[derive(Clone, Copy)]
enum Way {
    Nat,
    Direct,
    TunnelV4,
    TunnelV6,
}

const WAYS: [Way; 4] = [Way::Nat, Way::Direct, Way::TunnelV4, Way::TunnelV6];
const SELECTS: [Select; 3] = [Select::Cursor, Select::Source, Select::SourceAndPort];
/// Other ways to select, each forwarded in one way.
const OTHER_SELECTS: [(Select, Way); 5] = [
    (Select::Destination, Way::Direct),
    (Select::LeastConnections, Way::Nat),
    (Select::WeightedLeastConnections, Way::Direct),
    (Select::ShortestExpectedDelay, Way::TunnelV4),
    (Select::NeverQueue, Way::Nat),
];
/// How many connections the servers with a limit take: fewer than the generator begins.
const LIMIT: u32 = 3;
const SERVERS_EACH: u8 = 3;
/// Interface that frames are redirected to; in a test run, nothing is sent.
const ELSEWHERE: u32 = 7;
/// Flows never expire in a run, so that the moment at which it runs makes no difference.
const TIMEOUTS: Timeouts =
    Timeouts { syn: 100_000, established: 100_001, fin: 100_002, closed: 100_003, udp: 100_004 };
const PERSIST: u32 = 100_005;
/// The first bytes of clients' networks, and what the routing table says of them.
const NETWORKS: [(&str, &str, Reach); 4] = [
    ("203.0.113.0", "2001:db8:1::", Reach::Wide),
    ("203.0.112.0", "2001:db8:2::", Reach::Unresolved),
    ("203.0.115.0", "2001:db8:3::", Reach::Narrow),
    ("203.0.117.0", "2001:db8:4::", Reach::None),
];
/// Largest packets on the links to the clients. The kernel says that a packet is too big before it
/// says that its way is unresolved: on the wide one, none is.
const NARROW: u32 = 1300;
const WIDE: u32 = 9000;
/// Largest packet on the way to servers.
const MTU: u32 = 1500;

#[derive(Clone, Copy)]
enum Reach {
    Wide,
    Narrow,
    Unresolved,
    None,
}

impl Scene {
    /// Makes the scene in a namespace that has no links yet.
    pub fn new(namespace: &Namespace) -> Result<Self> {
        let mut scene = Self { world: World::empty(), targets: Vec::new(), clients: Vec::new() };
        for is_v4 in [true, false] {
            for protocol in [protocol::TCP, protocol::UDP] {
                for way in WAYS {
                    for select in SELECTS {
                        scene.add(is_v4, protocol, way, select);
                    }
                }
                for (select, way) in OTHER_SELECTS {
                    scene.add(is_v4, protocol, way, select);
                }
                scene.add_persistent(is_v4, protocol);
                scene.add_limited(is_v4, protocol);
                scene.add_leaving(is_v4, protocol);
                scene.add_cripples(is_v4, protocol);
            }
        }
        scene.add_routes(namespace)?;
        Ok(scene)
    }

    fn add(&mut self, is_v4: bool, protocol: u8, way: Way, select: Select) {
        let servers: Vec<_> =
            (1..=SERVERS_EACH).map(|number| server(is_v4, protocol, way, number)).collect();
        let key = self.add_service(is_v4, protocol, select, &servers);
        self.world.add_fragments(&key, 0);
    }

    fn add_persistent(&mut self, is_v4: bool, protocol: u8) {
        let family_prefix = if is_v4 { 96 } else { 0 };
        for (way, prefix) in [(Way::Nat, 128), (Way::Direct, family_prefix + 31)] {
            let servers: Vec<_> =
                (1..=SERVERS_EACH).map(|number| server(is_v4, protocol, way, number)).collect();
            let change = |service: &mut Service| {
                (service.persist, service.persist_prefix) = (PERSIST, prefix);
            };
            let key = self.add_changed_service(is_v4, protocol, Select::Cursor, &servers, &change);
            self.world.add_fragments(&key, 0);
        }
    }

    fn add_limited(&mut self, is_v4: bool, protocol: u8) {
        for (way, select) in [
            (Way::Direct, Select::Cursor),
            (Way::Nat, Select::Source),
            (Way::Direct, Select::WeightedLeastConnections),
        ] {
            let limited = |number| Server {
                max_connections: LIMIT * u32::from(number),
                ..server(is_v4, protocol, way, number)
            };
            let servers: Vec<_> = (1..=SERVERS_EACH).map(limited).collect();
            self.add_changed_service(is_v4, protocol, select, &servers, &|service| {
                service.flags |= service_flags::COUNTED | service_flags::LIMITED;
            });
        }
    }

    /// Servers that leave and are still in the table, as for a moment they are.
    fn add_leaving(&mut self, is_v4: bool, protocol: u8) {
        let leaving = server_flags::LEAVING;
        for (way, flags) in [
            (Way::Direct, leaving),
            (Way::Nat, leaving),
            (Way::Direct, leaving | server_flags::RESETS),
            (Way::Nat, leaving | server_flags::RESETS),
        ] {
            let servers = [1, 2].map(|number| {
                let server = server(is_v4, protocol, way, number);
                let flags = if number == 1 { server.flags | flags } else { server.flags };
                Server { flags, ..server }
            });
            self.add_service(is_v4, protocol, Select::LeastConnections, &servers);
        }
    }

    /// Services that cannot serve, each for another reason; and two of one address.
    fn add_cripples(&mut self, is_v4: bool, protocol: u8) {
        let good = server(is_v4, protocol, Way::Direct, 1);
        let with_flags = |flags| Server { flags, ..good };
        self.add_service(is_v4, protocol, Select::Source, &[]);
        self.add_service(is_v4, protocol, Select::Cursor, &[with_flags(0)]);
        let unresolved = with_flags(server_flags::PRESENT);
        self.add_service(is_v4, protocol, Select::Cursor, &[unresolved]);
        let local = with_flags(server_flags::PRESENT | server_flags::LOCAL);
        self.add_service(is_v4, protocol, Select::SourceAndPort, &[local]);
        let key = self.add_service(is_v4, protocol, Select::Source, &[good]);
        self.world.add_fragments(&key, service_flags::AMBIGUOUS);
    }

    /// Adds a service at an address of its own.
    fn add_service(
        &mut self,
        is_v4: bool,
        protocol: u8,
        select: Select,
        servers: &[Server],
    ) -> ServiceKey {
        self.add_changed_service(is_v4, protocol, select, servers, &|_| {})
    }

    fn add_changed_service(
        &mut self,
        is_v4: bool,
        protocol: u8,
        select: Select,
        servers: &[Server],
        change: &dyn Fn(&mut Service),
    ) -> ServiceKey {
        let id = self.targets.len() as u32;
        let target = Target {
            address: address(is_v4, "198.51.100.0", "2001:db8:100::", id as u8 + 1),
            port: if protocol == protocol::TCP { 80 } else { 53 },
            protocol,
        };
        self.targets.push(target);
        let key = ServiceKey::new(Address::from(target.address), target.port.to_be(), protocol);
        let mut service = Service { timeouts: TIMEOUTS, ..World::service(id, select) };
        change(&mut service);
        self.world.add_service(key, service, servers);
        key
    }

    fn add_routes(&mut self, namespace: &Namespace) -> Result<()> {
        let (wide, narrow) = (namespace.link("wide")?, namespace.link("narrow")?);
        wide.mtu(WIDE)?;
        narrow.mtu(NARROW)?;
        // As if the wide one were a VLAN interface, its lower link the one that frames come in by.
        let tags = tags(1);
        self.world.links.insert(wide.index, abi::Link { tags, ifindex: INGRESS, pad: 0 });
        let on_wide = match wide.via(ROUTER_MAC, WIDE) {
            Route::Via(hop) => Route::Via(NextHop { tags, ifindex: INGRESS, ..hop }),
            other => other,
        };
        let on_narrow = narrow.via(ROUTER_MAC, NARROW);
        for is_v4 in [true, false] {
            let router = |number| address(is_v4, "192.0.2.0", "2001:db8:f::", number);
            let narrow_router = |number| address(is_v4, "192.0.3.0", "2001:db8:e::", number);
            let bits = if is_v4 { 24 } else { 64 };
            wide.address(router(1), bits)?;
            narrow.address(narrow_router(1), bits)?;
            wide.neighbour(router(2), ROUTER_MAC)?;
            narrow.neighbour(narrow_router(2), ROUTER_MAC)?;
            for (v4, v6, reach) in NETWORKS {
                let network = |number| address(is_v4, v4, v6, number);
                let bits = if is_v4 { 24 } else { 120 };
                let (link, router, answer): (&Link<'_>, _, _) = match reach {
                    Reach::Wide => (&wide, router(2), on_wide),
                    Reach::Narrow => (&narrow, narrow_router(2), on_narrow),
                    Reach::Unresolved => (&wide, router(3), Route::Unresolved),
                    Reach::None => continue,
                };
                link.route(network(0), bits, router)?;
                let all = (0..=u8::MAX).map(|number| (network(number), answer));
                self.world.routes.extend(all);
            }
            self.clients.extend(
                (1..=12).map(|number| address(is_v4, NETWORKS[0].0, NETWORKS[0].1, number)),
            );
            self.clients.extend(NETWORKS[1..].iter().map(|(v4, v6, _)| address(is_v4, v4, v6, 1)));
        }
        Ok(())
    }
}

const ROUTER_MAC: [u8; 6] = [2, 0xf0, 0, 0, 0, 1];

/// One of a service's servers. Services of one way share their servers' addresses.
fn server(is_v4: bool, protocol: u8, way: Way, number: u8) -> Server {
    let outer_is_v4 = match way {
        Way::Nat | Way::Direct => is_v4,
        Way::TunnelV4 => true,
        Way::TunnelV6 => false,
    };
    let macs = Macs::new([2, 0x5e, way as u8, 0, 0, number], [2, 0xd1, 0, 0, 0, number]);
    let (ifindex, mtu) = if number == 1 { (INGRESS, MTU) } else { (ELSEWHERE, MTU - 100) };
    let port: u16 = match (way, protocol) {
        (Way::Nat, _) => 8080,
        (_, protocol::TCP) => 80,
        _ => 53,
    };
    Server {
        next_hop: NextHop { tags: tags(number - 1), ifindex, mtu, macs },
        address: Address::from(address(outer_is_v4, "10.0.0.0", "2001:db8:a::", number)),
        tunnel_source: Address::from(address(outer_is_v4, "10.0.1.0", "2001:db8:b::", number)),
        generation: 1,
        service: 0,
        port: port.to_be(),
        mode: match way {
            Way::Nat => mode::NAT,
            Way::Direct => mode::DR,
            Way::TunnelV4 | Way::TunnelV6 => mode::TUNNEL,
        },
        flags: server_flags::PRESENT | server_flags::RESOLVED,
        weight: number.into(),
        max_connections: 0,
        pad: 0,
    }
}

fn tags(count: u8) -> Tags {
    let tag = |tpid: u16, tci: u16| Tag { tpid: tpid.to_be(), tci: tci.to_be() };
    match count {
        0 => Tags::NONE,
        1 => Tags([tag(0x8100, 0x2064), Tag::NONE]),
        _ => Tags([tag(0x88a8, 0x0065), tag(0x8100, 0x0066)]),
    }
}

/// An address of a network, whose last byte is the number.
fn address(is_v4: bool, v4: &str, v6: &str, number: u8) -> IpAddr {
    if is_v4 {
        let network: Ipv4Addr = v4.parse().expect("an IPv4 address");
        Ipv4Addr::from_bits(network.to_bits() | u32::from(number)).into()
    } else {
        let network: Ipv6Addr = v6.parse().expect("an IPv6 address");
        Ipv6Addr::from_bits(network.to_bits() | u128::from(number)).into()
    }
}
