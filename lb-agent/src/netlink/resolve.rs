//! From the kernel's answer about a route to a [`Resolution`].

use super::topology::{Hop, Topology};
use super::{Resolution, Via};
use std::net::IpAddr;

/// The kernel's answer to "how would you send to this address?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To itself.
    Local,
    /// Not at all: in words, why.
    Nowhere(String),
    /// From an interface.
    Out {
        ifindex: u32,
        gateway: Option<IpAddr>,
        source: Option<IpAddr>,
        /// The route's own limit (`RTAX_MTU`).
        mtu: Option<u32>,
    },
}

impl Route {
    /// Who gets the frames for `address`.
    pub(super) fn hop(&self, address: IpAddr) -> Option<Hop> {
        match *self {
            Self::Local | Self::Nowhere(_) => None,
            Self::Out { ifindex, gateway, .. } => {
                Some(Hop { ifindex, address: gateway.unwrap_or(address) })
            }
        }
    }
}

/// The way to `address` by this route.
pub(super) fn resolve(address: IpAddr, route: &Route, topology: &Topology) -> Resolution {
    match route {
        Route::Local => Resolution::Local,
        Route::Nowhere(why) => Resolution::Unreachable(why.clone()),
        Route::Out { ifindex, gateway, source, mtu } => {
            let neighbour =
                route.hop(address).and_then(|hop| topology.neighbour(&hop)).map(|found| found.mac);
            way_out(*ifindex, topology)
                .map(|via| Via {
                    gateway: *gateway,
                    source: *source,
                    mtu: mtu.unwrap_or(via.mtu),
                    next_hop_mac: neighbour,
                    ..via
                })
                .map_or_else(Resolution::Unreachable, Resolution::Via)
        }
    }
}

/// The way from an interface to anybody on its link, or in words why there is none.
pub(super) fn way_out(ifindex: u32, topology: &Topology) -> Result<Via, String> {
    let link = topology.link(ifindex)?;
    let gone = || format!("interface {ifindex} is gone");
    let interface = topology.interface(ifindex).ok_or_else(gone)?;
    let driver = topology.interface(link.ifindex).ok_or_else(gone)?;
    for used in [interface, driver] {
        if !used.up {
            return Err(format!("interface {} is down", used.name));
        }
        if !used.carrier {
            return Err(format!("interface {} has no carrier", used.name));
        }
    }
    let source_mac = interface
        .mac
        .ok_or_else(|| format!("interface {} is not an Ethernet interface", interface.name))?;
    Ok(Via {
        interface: interface.name.clone(),
        ifindex: link.ifindex,
        tags: link.tags,
        gateway: None,
        source: None,
        mtu: interface.mtu,
        source_mac,
        next_hop_mac: None,
    })
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
