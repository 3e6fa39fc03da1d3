//! Services and servers of the stage.
//!
//! - `service tcp|udp[4|6] HOST:PORT by SELECT [persist SECONDS BITS BITS] [fragments [ambiguous]]`:
//!   SELECT is one of [`SELECTS`]; the bits of clients' addresses that count are for IPv4 and IPv6.
//! - `server nat|dr|tunnel HOST:PORT tx|redirect [via HOST] [mtu N] [tags ID[,ID]] [weight N]
//!   [max N]`: one of the service above, with at most so many connections. In a tunnel of IPv4 to a
//!   host without IPv4, the outer header is IPv6.
//!
//! Without a number, the service is there for both families.

use super::stage::{Stage, parse_tags};
use crate::dataplane::{INGRESS, World};
use crate::packet::Family;
use anyhow::{Context, Result, bail};
use lb_common::abi::{
    Address, Macs, NextHop, Select, Server, Service, ServiceKey, Tags, mode, protocol,
    server_flags, service_flags,
};

/// Generation of all servers.
pub(super) const GENERATION: u32 = 7;

/// Interface behind which servers are that are not on the segment of their clients. Nothing is ever
/// sent to it.
const OTHER_INTERFACE: u32 = 2;

const SELECTS: [(&str, Select); 8] = [
    ("cursor", Select::Cursor),
    ("source", Select::Source),
    ("source-and-port", Select::SourceAndPort),
    ("destination", Select::Destination),
    ("lc", Select::LeastConnections),
    ("wlc", Select::WeightedLeastConnections),
    ("sed", Select::ShortestExpectedDelay),
    ("nq", Select::NeverQueue),
];

/// Adds a service to the world; its ids by family.
pub(super) fn add_service(stage: &mut Stage, words: &[&str]) -> Result<Vec<(Family, u32)>> {
    let [proto, end, "by", select, rest @ ..] = words else {
        bail!("service PROTOCOL HOST:PORT by SELECT");
    };
    let select = SELECTS.iter().find(|(name, _)| name == select);
    let select = select.context("no such way to select")?.1;
    let (persist, rest) = match rest {
        ["persist", seconds, v4, v6, rest @ ..] => {
            (Some((seconds.parse()?, v4.parse::<u8>()? + 96, v6.parse()?)), rest)
        }
        rest => (None, rest),
    };
    let fragments = match rest {
        [] => None,
        ["fragments"] => Some(0),
        ["fragments", "ambiguous"] => Some(service_flags::AMBIGUOUS),
        _ => bail!("{rest:?} is too much"),
    };
    let (families, protocol) = families_and_protocol(proto)?;
    let mut ids = Vec::new();
    for family in families {
        let key = end_key(stage, end, *family, protocol)?;
        let mut service = World::service(id_after(stage), select);
        if let Some((seconds, v4, v6)) = persist {
            service.persist = seconds;
            service.persist_prefix = if *family == Family::V4 { v4 } else { v6 };
        }
        stage.world.add_service(key, service, &[]);
        if let Some(flags) = fragments {
            stage.world.add_fragments(&key, flags);
        }
        ids.push((*family, service.id));
    }
    Ok(ids)
}

/// Adds a server to a service of these ids.
pub(super) fn add_server(
    stage: &mut Stage,
    services: &[(Family, u32)],
    words: &[&str],
) -> Result<()> {
    let [mode, end, way, rest @ ..] = words else {
        bail!("server MODE HOST:PORT tx|redirect");
    };
    let (name, port) = end.split_once(':').context("HOST:PORT")?;
    let mode = match *mode {
        "nat" => mode::NAT,
        "dr" => mode::DR,
        "tunnel" => mode::TUNNEL,
        other => bail!("no mode {other:?}"),
    };
    let ifindex = if *way == "tx" { INGRESS } else { OTHER_INTERFACE };
    let (mut mtu, mut tags, mut via) = (1500, Tags::NONE, name);
    let (mut weight, mut max_connections) = (1, 0);
    let mut rest = rest.iter();
    while let (Some(field), Some(value)) = (rest.next(), rest.next()) {
        match *field {
            "mtu" => mtu = value.parse()?,
            "tags" => tags = parse_tags(value)?,
            "via" => via = value,
            "weight" => weight = value.parse()?,
            "max" => max_connections = value.parse()?,
            other => bail!("no field {other:?}"),
        }
    }
    let macs = Macs::new(stage.hosts.mac(via)?, stage.own_mac()?);
    for &(family, service) in services {
        let outer = match stage.hosts.host(name)?.address(family) {
            None if mode == mode::TUNNEL => Family::V6,
            _ => family,
        };
        let server = Server {
            next_hop: NextHop { tags, ifindex, mtu, macs },
            address: stage.hosts.ip(name, outer)?.into(),
            tunnel_source: stage.own_address(outer)?.into(),
            generation: GENERATION,
            service,
            port: port.parse::<u16>()?.to_be(),
            mode,
            flags: server_flags::PRESENT | server_flags::RESOLVED,
            weight,
            max_connections,
            pad: 0,
        };
        append(stage, name, server);
    }
    Ok(())
}

/// The key of `HOST:PORT`.
pub(super) fn end_key(
    stage: &Stage,
    end: &str,
    family: Family,
    protocol: u8,
) -> Result<ServiceKey> {
    let (name, port) = end.rsplit_once(':').with_context(|| format!("{end:?}: HOST:PORT"))?;
    let address = Address::from(stage.hosts.ip(name, family)?);
    Ok(ServiceKey::new(address, port.parse::<u16>()?.to_be(), protocol))
}

fn families_and_protocol(text: &str) -> Result<(&'static [Family], u8)> {
    let (name, families): (_, &[Family]) = match text.as_bytes() {
        [name @ .., b'4'] => (name, &[Family::V4]),
        [name @ .., b'6'] => (name, &[Family::V6]),
        name => (name, &[Family::V4, Family::V6]),
    };
    match name {
        b"tcp" => Ok((families, protocol::TCP)),
        b"udp" => Ok((families, protocol::UDP)),
        _ => bail!("no protocol {text:?}"),
    }
}

fn id_after(stage: &Stage) -> u32 {
    stage.world.services.iter().map(|(_, service)| service.id + 1).max().unwrap_or(0)
}

/// Adds a server and its slot. Slots of a service lie side by side: those behind move up.
fn append(stage: &mut Stage, name: &str, server: Server) {
    let world = &mut stage.world;
    let index = world.servers.len() as u32;
    let own = |service: &Service| service.id == server.service;
    let entry = world.services.iter().map(|(_, service)| service).find(|service| own(service));
    let Some(&Service { table, slots, .. }) = entry else { return };
    let at = table + slots;
    world.slots.insert(at as usize, index);
    for (_, service) in &mut world.services {
        if own(service) {
            service.slots += 1;
            if server.max_connections != 0 {
                service.flags |= service_flags::COUNTED | service_flags::LIMITED;
            }
        } else if service.table >= at && service.id > server.service {
            service.table += 1;
        }
    }
    world.servers.push(server);
    stage.servers.push(name.to_owned());
    if server.mode == mode::NAT {
        let key = world.services.iter().find(|(_, service)| own(service)).map(|(key, _)| *key);
        if let Some(key) = key {
            world.sources.insert(&server.address, server.port, key.protocol);
        }
    }
}
