//! Real sockets through a director: every mode in both families, what the schedulers promise and
//! what overrules them, and the first packets as they look on the wire.

mod errors;
mod limits;
mod live;
mod modes;
mod persistence;
mod schedulers;
mod two_arms;
mod wire;

use anyhow::{Result, ensure};
use lb_common::api::{Mode, Protocol, Scheduler};
use lb_tests::lab::{Client, Connection, Lab, Tally};
use lb_tests::site::{self, Director, Family, HTTP, HTTP_ALT, ServiceText, Site, UDP};
use std::net::IpAddr;

/// A site whose director has one service of HTTP and one of UDP echo at VIP 0.
struct Scene {
    site: Site,
    director: Director,
    client: Client,
    vip: IpAddr,
}

impl Scene {
    fn new(lab: &Lab, mode: Mode, family: Family, scheduler: Scheduler) -> Result<Self> {
        Self::with(lab, family, |site| services(site, mode, family, scheduler))
    }

    fn with(
        lab: &Lab,
        family: Family,
        services: impl FnOnce(&Site) -> Vec<ServiceText>,
    ) -> Result<Self> {
        let site = Site::new(lab, 3)?;
        let services = services(&site);
        let routed = services.iter().any(|service| service.mode == Mode::Nat);
        let director = site::director(lab, &site.director, &site::config(&services))?;
        director.wait_until_resolved()?;
        let address = if routed { family.routed_client() } else { family.direct_client() };
        let client = site.client.client().from_address(address);
        Ok(Self { client, director, vip: family.vip(0), site })
    }

    /// Opens HTTP connections one after the other, and tells the server of each.
    fn open(&self, connections: usize) -> Result<Vec<(String, Connection)>> {
        let one = |_| {
            let mut connection = self.client.connect((self.vip, HTTP))?;
            Ok((connection.get("/name")?.text(), connection))
        };
        (0..connections).map(one).collect()
    }

    /// Fails unless every packet so far was forwarded, or was none of the services'.
    fn nothing_dropped(&self) -> Result<()> {
        let mut reasons = self.director.reasons()?;
        reasons.retain(|reason| reason.packets > 0 && reason.outcome == "dropped");
        ensure!(reasons.is_empty(), "{reasons:?}");
        Ok(())
    }
}

/// HTTP and UDP at VIP 0. With NAT, HTTP goes to another port of the servers.
fn services(site: &Site, mode: Mode, family: Family, scheduler: Scheduler) -> Vec<ServiceText> {
    let http = if mode == Mode::Nat { HTTP_ALT } else { HTTP };
    [("web", Protocol::Tcp, HTTP, http), ("echo", Protocol::Udp, UDP, UDP)]
        .into_iter()
        .map(|(name, protocol, port, server_port)| ServiceText {
            name: name.into(),
            vip: (family.vip(0), port),
            protocol,
            mode,
            scheduler,
            more: String::new(),
            servers: servers(site, family, server_port),
        })
        .collect()
}

/// All servers of the site, with weights 1, 2, 3.
fn servers(site: &Site, family: Family, port: u16) -> Vec<(String, IpAddr, u16, u32)> {
    let named = site.servers.iter().enumerate();
    let server = |(index, server): (usize, &site::Server)| {
        (server.name.clone(), family.server(index), port, index as u32 + 1)
    };
    named.map(server).collect()
}

/// HTTP at VIP 0, like the first of [`services`], with further lines of the service and, for each
/// server in turn, its weight.
fn web(
    site: &Site,
    mode: Mode,
    family: Family,
    scheduler: Scheduler,
    more: &str,
    weights: &[u32],
) -> ServiceText {
    let web = services(site, mode, family, scheduler).swap_remove(0);
    let servers = web.servers.into_iter().zip(weights);
    let servers = servers.map(|((name, address, port, _), &weight)| (name, address, port, weight));
    ServiceText { more: more.into(), servers: servers.collect(), ..web }
}

/// How many of a tally each of three servers has.
fn shares(tally: &Tally) -> [usize; 3] {
    ["web1", "web2", "web3"].map(|name| tally.get(name).copied().unwrap_or(0))
}

/// How many connections each of three servers has.
fn held(connections: &[(String, Connection)]) -> [usize; 3] {
    ["web1", "web2", "web3"].map(|name| connections.iter().filter(|one| one.0 == name).count())
}
