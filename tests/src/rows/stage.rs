//! The world of the rows, from its description.
//!
//! - `host NAME MAC|- ADDRESS…`
//! - `interface NAME tx|redirect mtu N [tags ID[,ID]] ADDRESS/LENGTH…`: an interface of the
//!   director. Frames for one that says `tx` leave by the interface that they came in by, with these
//!   tags: an interface is what stands behind a [`Link`].
//! - `neighbour INTERFACE HOST`, `silent INTERFACE HOST`: a client that answers there, or not.
//! - `behind HOST PREFIX… CLIENT`: a client behind the router HOST, a neighbour that was named.
//! - `service …` and its servers: see the sibling module.

use super::services;
use crate::dataplane::{INGRESS, World};
use crate::lab::{self, Lab, cable};
use crate::packet::{Family, Hosts, Mac};
use anyhow::{Context, Result, bail, ensure};
use lb_common::abi::{Link, Macs, NextHop, Tag, Tags};
use lb_common::datapath::Route;
use std::net::IpAddr;
use std::path::Path;

/// The director among its hosts.
pub(super) struct Stage {
    /// What names stand for.
    pub(super) hosts: Hosts,
    /// What the maps hold and how packets are routed.
    pub(super) world: World,
    /// Names of the servers, by index.
    pub(super) servers: Vec<String>,
    /// The namespace in which the kernel routes in this way.
    pub(super) director: lab::Host,
    /// The other end of all wires.
    far: lab::Host,
}

/// Name of the host that the rows are about.
const DIRECTOR: &str = "lb";

struct Interface {
    name: String,
    link: lab::Link,
    hop: NextHop,
}

impl Stage {
    /// Reads the description and makes the namespace.
    pub(super) fn set(lab: &Lab, path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let director = lab.host("director")?;
        for family in ["ipv4", "ipv6"] {
            director.sysctl(&format!("net/{family}/conf/lo/forwarding"), "1")?;
        }
        let mut builder = Builder {
            interfaces: Vec::new(),
            service: Vec::new(),
            stage: Self {
                hosts: Hosts::default(),
                world: World::empty(),
                servers: Vec::new(),
                director,
                far: lab.host("far")?,
            },
        };
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            builder
                .add(line)
                .with_context(|| format!("{}:{}: {line}", path.display(), number + 1))?;
        }
        Ok(builder.stage)
    }

    /// The director's own link-layer address.
    pub(super) fn own_mac(&self) -> Result<Mac> {
        self.hosts.mac(DIRECTOR)
    }

    /// The director's own address.
    pub(super) fn own_address(&self, family: Family) -> Result<IpAddr> {
        self.hosts.ip(DIRECTOR, family)
    }
}

struct Builder {
    stage: Stage,
    interfaces: Vec<Interface>,
    /// The service that servers are added to.
    service: Vec<(Family, u32)>,
}

impl Builder {
    fn add(&mut self, line: &str) -> Result<()> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match *words.as_slice() {
            [] => Ok(()),
            ["host", name, mac, ref addresses @ ..] => {
                let host = self.stage.hosts.0.entry(name.to_owned()).or_default();
                host.mac = crate::packet::parse_mac(mac);
                ensure!(host.mac.is_some() || mac == "-", "{mac:?} is no link-layer address");
                for address in addresses {
                    host.addresses.push(address.parse()?);
                }
                Ok(())
            }
            ["interface", name, way, "mtu", mtu, "tags", tags, ref addresses @ ..] => {
                self.interface(name, way, mtu.parse()?, parse_tags(tags)?, addresses)
            }
            ["interface", name, way, "mtu", mtu, ref addresses @ ..] => {
                self.interface(name, way, mtu.parse()?, Tags::NONE, addresses)
            }
            ["neighbour", interface, name] => self.neighbour(interface, name),
            ["silent", _, name] => {
                for address in self.stage.hosts.host(name)?.addresses.clone() {
                    self.stage.world.routes.insert(address, Route::Unresolved);
                }
                Ok(())
            }
            ["behind", gateway, ref prefixes @ .., name] => self.behind(gateway, prefixes, name),
            ["service", ref words @ ..] => {
                self.service = services::add_service(&mut self.stage, words)?;
                Ok(())
            }
            ["server", ref words @ ..] => {
                services::add_server(&mut self.stage, &self.service, words)
            }
            _ => bail!("not understood"),
        }
    }

    fn interface(
        &mut self,
        name: &str,
        way: &str,
        mtu: u32,
        tags: Tags,
        addresses: &[&str],
    ) -> Result<()> {
        let director = self.stage.director.clone();
        let (link, _) = cable((&director, name), (&self.stage.far, name))?;
        link.set_mac(self.stage.own_mac()?)?.mtu(mtu)?;
        for address in addresses {
            link.address(address)?;
        }
        let ifindex = match way {
            "tx" => {
                let entry = Link { tags, ifindex: INGRESS, pad: 0 };
                self.stage.world.links.insert(link.index(), entry);
                INGRESS
            }
            "redirect" => link.index(),
            other => bail!("{other:?} is neither tx nor redirect"),
        };
        let hop = NextHop { tags, ifindex, mtu, macs: Macs::default() };
        self.interfaces.push(Interface { name: name.to_owned(), link, hop });
        Ok(())
    }

    fn neighbour(&mut self, interface: &str, name: &str) -> Result<()> {
        let found = self.interfaces.iter().find(|other| other.name == interface);
        let interface = found.with_context(|| format!("no interface {interface:?}"))?;
        let mac = self.stage.hosts.mac(name)?;
        let macs = Macs::new(mac, self.stage.own_mac()?);
        for address in self.stage.hosts.host(name)?.addresses.clone() {
            interface.link.neighbour(address, mac)?;
            let route = Route::Via(NextHop { macs, ..interface.hop });
            self.stage.world.routes.insert(address, route);
        }
        Ok(())
    }

    fn behind(&mut self, gateway: &str, prefixes: &[&str], name: &str) -> Result<()> {
        for prefix in prefixes {
            let family = if prefix.contains(':') { Family::V6 } else { Family::V4 };
            let via = self.stage.hosts.ip(gateway, family)?;
            self.stage.director.route(prefix, via)?;
            let route = *self.stage.world.routes.get(&via).context("the gateway is unknown")?;
            self.stage.world.routes.insert(self.stage.hosts.ip(name, family)?, route);
        }
        Ok(())
    }
}

/// Reads `100` or `200,100`: the inner tag is a customer's, one in front of it a provider's.
pub(super) fn parse_tags(text: &str) -> Result<Tags> {
    use lb_common::wire::ethernet::{SERVICE_VLAN, VLAN};
    Ok(Tags(match text.split_once(',') {
        Some((outer, inner)) => {
            [Tag::new(SERVICE_VLAN, outer.parse()?), Tag::new(VLAN, inner.parse()?)]
        }
        None => [Tag::new(VLAN, text.parse()?), Tag::NONE],
    }))
}
