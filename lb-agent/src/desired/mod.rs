//! What the data plane should hold: configuration, weights in force and the kernel's ways to the
//! servers, in the terms of the map ABI. Nothing here knows what the maps hold now.

mod way;

#[cfg(test)]
mod tests;

pub use way::{Way, way};

use crate::{
    config::{self, Config},
    netlink::Resolution,
    schedule::{self, Candidate},
    standing::Standing,
};
use lb_common::{
    abi::{
        Address, Link, Macs, NextHop, Select, ServiceKey, Sources, Timeouts, mode, protocol,
        server_flags, service_flags,
    },
    api::{Mode, Protocol, Scheduler},
};
use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

/// The wanted state of the data plane.
#[derive(Clone, Debug)]
pub struct Desired {
    /// In the order of the configuration; keys are unique.
    pub services: Vec<Service>,
    /// By interface index.
    pub links: BTreeMap<u32, Link>,
    /// All ends that NAT servers answer from.
    pub sources: Box<Sources>,
}

/// A service and who serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where clients connect to; the port is never 0.
    pub key: ServiceKey,
    /// How a slot is chosen.
    pub select: Select,
    /// Bits of [`service_flags`].
    pub flags: u8,
    /// When flows are forgotten.
    pub timeouts: Timeouts,
    /// As [`lb_common::abi::Service::persist`].
    pub persist: u32,
    /// As [`lb_common::abi::Service::persist_prefix`].
    pub persist_prefix: u8,
    /// Positions in `servers`, one a slot.
    pub table: Arc<[u32]>,
    /// In the order of the configuration; (address, port) are unique.
    pub servers: Vec<Server>,
}

/// [`lb_common::abi::Server`] without what it gets from its place in the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// The real server's address.
    pub address: Address,
    /// The real server's port, network order.
    pub port: u16,
    /// One of [`mode`].
    pub mode: u8,
    /// Bits of [`server_flags`]; always present.
    pub flags: u8,
    /// Its share of the new flows.
    pub weight: u32,
    /// How many live connections it takes at most; 0: any number.
    pub max_connections: u32,
    /// How its frames leave; all zero if there is no way.
    pub next_hop: NextHop,
    /// Source of the outer header; unspecified except in a tunnel.
    pub tunnel_source: Address,
}

/// What a configuration is turned into [`Desired`] with.
pub struct Inputs<'a> {
    /// How the members of the service in a place stand, in their order.
    pub standings: &'a dyn Fn(usize) -> &'a [Standing],
    /// The way to a server, once it has been looked up.
    pub resolution: &'a dyn Fn(IpAddr) -> Option<&'a Resolution>,
    /// How frames for an interface leave, by interface index.
    pub links: BTreeMap<u32, Link>,
}

impl Desired {
    /// The state that a configuration asks for.
    pub fn new(config: &Config, inputs: Inputs<'_>, cache: &mut schedule::Cache) -> Self {
        let Inputs { standings, resolution, links } = inputs;
        let mut sources = Box::new(Sources::EMPTY);
        let services: Vec<Service> = (0..)
            .zip(&config.services)
            .map(|(place, one)| service(one, standings(place), resolution, cache))
            .collect();
        for service in &services {
            for server in service.servers.iter().filter(|server| server.mode == mode::NAT) {
                sources.insert(&server.address, server.port, service.key.protocol);
            }
        }
        let keys: HashSet<ServiceKey> = services.iter().map(|service| service.key).collect();
        cache.retain(|key| keys.contains(key));
        Self { services, links, sources }
    }
}

/// What one service asks for, its members standing so.
pub fn service<'a>(
    service: &config::Service,
    standings: &[Standing],
    resolution: &dyn Fn(IpAddr) -> Option<&'a Resolution>,
    cache: &mut schedule::Cache,
) -> Service {
    let members = || service.members().zip(standings);
    let servers = members().map(|(server, standing)| {
        let way = way(service, server, resolution(server.address.ip()));
        self::server(service.mode, server, *standing, &way)
    });
    let candidates = members()
        .map(|(server, standing)| Candidate { address: server.address, weight: standing.share });
    let key = key(service);
    let select = select(service.scheduler, service.hash_port);
    let (persist, persist_prefix) = persist(service);
    Service {
        key,
        select,
        flags: flags(service, select),
        timeouts: service.timeouts,
        persist,
        persist_prefix,
        table: cache.table(key, service.scheduler, service.table_size, candidates.collect()),
        servers: servers.collect(),
    }
}

/// Where the data plane looks a service up.
pub fn key(service: &config::Service) -> ServiceKey {
    let protocol = match service.protocol {
        Protocol::Tcp => protocol::TCP,
        Protocol::Udp => protocol::UDP,
    };
    ServiceKey::new(service.address.ip().into(), service.address.port().to_be(), protocol)
}

fn select(scheduler: Scheduler, hash_port: bool) -> Select {
    match scheduler {
        Scheduler::Rr | Scheduler::Wrr => Select::Cursor,
        Scheduler::Dh => Select::Destination,
        Scheduler::Lc => Select::LeastConnections,
        Scheduler::Wlc => Select::WeightedLeastConnections,
        Scheduler::Sed => Select::ShortestExpectedDelay,
        Scheduler::Nq => Select::NeverQueue,
        Scheduler::Sh | Scheduler::Mh if hash_port => Select::SourceAndPort,
        Scheduler::Sh | Scheduler::Mh => Select::Source,
    }
}

fn flags(service: &config::Service, select: Select) -> u8 {
    if service.members().any(|server| server.max_connections.is_some()) {
        service_flags::COUNTED | service_flags::LIMITED
    } else if Select::compares(select as u8) {
        service_flags::COUNTED
    } else {
        0
    }
}

/// Seconds and prefix of the 128-bit form; 0 for none.
fn persist(service: &config::Service) -> (u32, u8) {
    const MAPPED: u8 = 96;
    let offset = if service.address.is_ipv4() { MAPPED } else { 0 };
    service.persist.map_or((0, 0), |persist| (persist.timeout, offset + persist.prefix))
}

/// A server keeps its slots whether or not its next hop is known: what is lost until then has a
/// counter, and the others' clients stay where they are.
fn server(mode: Mode, config: &config::Server, standing: Standing, way: &Way<'_>) -> Server {
    let mut server = Server {
        address: config.address.ip().into(),
        port: config.address.port().to_be(),
        mode: match mode {
            Mode::Nat => mode::NAT,
            Mode::Dr => mode::DR,
            Mode::Tunnel => mode::TUNNEL,
        },
        flags: server_flags::PRESENT,
        weight: standing.share,
        max_connections: config.max_connections.unwrap_or(0),
        next_hop: NextHop::default(),
        tunnel_source: Address::UNSPECIFIED,
    };
    if standing.share == 0 {
        server.flags |= server_flags::LEAVING;
    }
    if standing.resets {
        server.flags |= server_flags::RESETS;
    }
    match way {
        Way::Unusable(_) | Way::Unknown => {}
        Way::Local => server.flags |= server_flags::LOCAL,
        Way::Via(via) => {
            if mode == Mode::Tunnel {
                server.tunnel_source = via.source.map_or(Address::UNSPECIFIED, Address::from);
            }
            if via.next_hop_mac.is_some() {
                server.flags |= server_flags::RESOLVED;
            }
            server.next_hop = NextHop {
                tags: via.tags,
                ifindex: via.ifindex,
                mtu: via.mtu,
                macs: Macs::new(via.next_hop_mac.unwrap_or_default(), via.source_mac),
            };
        }
    }
    server
}
