//! What the stories share: services, clients and looks at the kernel.

use anyhow::{Context, Result, ensure};
use aya::maps::{MapInfo, loaded_maps};
use aya::programs::links::{FdLink, PinnedLink};
use lb_common::api::{Mode, Protocol, Scheduler, Server};
use lb_tests::lab::{Client, SOON, wait_until};
use lb_tests::site::{Director, Family, HTTP, ServiceText, Site};
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

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

/// Waits until the kernel has freed maps, as it does some time after their last user went.
pub(crate) fn wait_until_freed(maps: &BTreeMap<String, u32>) -> Result<()> {
    wait_until(SOON, "the maps are freed", || {
        let mut loaded = loaded_maps().filter_map(Result::ok);
        !loaded.any(|map| maps.values().any(|id| *id == map.id()))
    })
}
