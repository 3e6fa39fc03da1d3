//! What the stories share: services, clients and looks at the kernel.

use anyhow::{Context, Result, ensure};
use aya::maps::{Array, HashMap, Map, MapData, MapInfo, loaded_maps};
use aya::programs::links::{FdLink, PinnedLink};
use etherparse::{NetSlice, TransportSlice};
use lb_common::abi::{self, Service, ServiceKey, map};
use lb_common::api::{Mode, Protocol, Scheduler, Server};
use lb_tests::lab::{Client, Frame, Lab, SOON, wait_until};
use lb_tests::site::{Director, Family, HTTP, ServiceText, Site, program};
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

/// The first type of ICMPv6 messages that are no errors (RFC 4443, section 2.1).
const ICMPV6_QUERIES: u8 = 128;

/// More servers than any story has.
const SERVERS: u32 = 64;

/// An HTTP service on the first servers of a site, scheduled by `wrr`.
pub(crate) fn web(
    name: &str,
    mode: Mode,
    family: Family,
    number: u16,
    servers: usize,
) -> ServiceText {
    let servers: Vec<_> = (0..servers).map(|index| family.server(index)).collect();
    service(name, mode, (family.vip(number), HTTP), &servers)
}

/// A TCP service whose servers `web1`, `web2` … listen on its own port, scheduled by `wrr`.
pub(crate) fn service(
    name: &str,
    mode: Mode,
    vip: (IpAddr, u16),
    servers: &[IpAddr],
) -> ServiceText {
    let server =
        |(index, &address): (usize, &IpAddr)| (format!("web{}", index + 1), address, vip.1, 1);
    ServiceText {
        name: name.into(),
        vip,
        protocol: Protocol::Tcp,
        mode,
        scheduler: Scheduler::Wrr,
        more: String::new(),
        servers: servers.iter().enumerate().map(server).collect(),
    }
}

/// A client whose answers take the way that the mode needs.
pub(crate) fn client(site: &Site, mode: Mode, family: Family) -> Client {
    site.client.client().from_address(match mode {
        Mode::Nat => family.routed_client(),
        Mode::Dr | Mode::Tunnel => family.direct_client(),
    })
}

/// A command that starts another agent with the director's configuration, and the folder of the
/// pins that it would make.
pub(crate) fn another_agent(lab: &Lab, director: &Director) -> Result<(Command, PathBuf)> {
    let (folder, pins) = (lab.folder().join("another"), lab.bpf_folder()?.join("another"));
    let mut command = Command::new(program("lb-agent"));
    command.arg("--config").arg(director.config()).arg("--node").arg("another");
    command.arg("--pin-root").arg(&pins).arg("--socket").arg(folder.join("agent.sock"));
    command.arg("--state-dir").arg(folder.join("state"));
    Ok((command, pins))
}

/// A server as `lb-ctl server ls` has it.
pub(crate) fn server(director: &Director, service: &str, server: &str) -> Result<Server> {
    let services = director.services()?;
    let mut servers = services.into_iter().flat_map(|service| service.servers);
    servers
        .find(|one| one.service == service && one.name == server)
        .with_context(|| format!("no server {server} of {service}"))
}

/// What is pinned: the identities of maps and links, by the pins' names, and the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pinned {
    pub(crate) maps: BTreeMap<String, u32>,
    pub(crate) links: BTreeMap<String, u32>,
}

/// Looks at a director's pins.
pub(crate) fn pinned(director: &Director) -> Result<Pinned> {
    let mut pinned = Pinned { maps: BTreeMap::new(), links: BTreeMap::new() };
    for version in fs::read_dir(director.pins())? {
        for pin in fs::read_dir(version?.path())? {
            let path = pin?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("link-") {
                let link = FdLink::from(PinnedLink::from_pin(&path)?);
                pinned.links.insert(name, link.info()?.id());
            } else if name != "program" {
                pinned.maps.insert(name, MapInfo::from_pin(&path)?.id());
            }
        }
    }
    ensure!(!pinned.maps.is_empty() && !pinned.links.is_empty(), "{pinned:?}");
    Ok(pinned)
}

/// A pin of a director's: a map's name, or `link-` and an interface.
pub(crate) fn pin(director: &Director, name: &str) -> Result<PathBuf> {
    let versions = fs::read_dir(director.pins())?;
    let mut paths = versions.filter_map(|version| Some(version.ok()?.path().join(name)));
    paths.find(|path| path.exists()).with_context(|| format!("no pin {name}"))
}

/// A director's map, as anybody with the rights may open it.
pub(crate) fn open(director: &Director, name: &str) -> Result<MapData> {
    Ok(MapData::from_pin(pin(director, name)?)?)
}

/// What the maps that only the agent writes hold: services and servers, raw.
pub(crate) fn maps(director: &Director) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let services: HashMap<_, [u8; size_of::<ServiceKey>()], [u8; size_of::<Service>()]> =
        Map::HashMap(open(director, map::SERVICES)?).try_into()?;
    let servers: Array<_, [u8; size_of::<abi::Server>()]> =
        Map::Array(open(director, map::SERVERS)?).try_into()?;
    let mut found = Vec::new();
    for entry in services.iter() {
        let (key, value) = entry?;
        found.push((key.to_vec(), value.to_vec()));
    }
    found.sort();
    for index in 0..SERVERS.min(servers.len()) {
        found.push((index.to_ne_bytes().to_vec(), servers.get(&index, 0)?.to_vec()));
    }
    Ok(found)
}

/// Waits until the kernel has freed maps, as it does some time after their last user went.
pub(crate) fn wait_until_freed(maps: &BTreeMap<String, u32>) -> Result<()> {
    wait_until(SOON, "the maps are freed", || {
        let mut loaded = loaded_maps().filter_map(Result::ok);
        !loaded.any(|map| maps.values().any(|id| *id == map.id()))
    })
}

/// Whether a frame carries a packet from or to an address. Neighbour discovery, which belongs to
/// the link, is left out.
pub(crate) fn concerns(frame: &Frame, address: IpAddr) -> bool {
    let is = |source: IpAddr, destination: IpAddr| [source, destination].contains(&address);
    let Ok(packet) = frame.parse() else {
        return false;
    };
    if let Some(TransportSlice::Icmpv6(message)) = &packet.transport
        && message.type_u8() >= ICMPV6_QUERIES
    {
        return false;
    }
    match packet.net {
        Some(NetSlice::Ipv4(packet)) => {
            let header = packet.header();
            is(header.source_addr().into(), header.destination_addr().into())
        }
        Some(NetSlice::Ipv6(packet)) => {
            let header = packet.header();
            is(header.source_addr().into(), header.destination_addr().into())
        }
        _ => false,
    }
}
