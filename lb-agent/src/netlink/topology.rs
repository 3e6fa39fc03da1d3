//! Links, own addresses and neighbours, as the kernel has told them.

use ipnet::IpNet;
use lb_common::abi::{Link, Tag, Tags};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its link-layer address, if it is an Ethernet interface.
    pub mac: Option<[u8; 6]>,
    /// Largest IP packet, in bytes.
    pub mtu: u32,
    /// Whether it is set up (`IFF_UP`).
    pub up: bool,
    /// Whether the link below it is there (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// What a VLAN interface stands on.
    pub(super) vlan: Option<Vlan>,
}

/// What makes an interface a VLAN interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vlan {
    /// Index of the interface below; none if that is in another network namespace.
    pub(super) lower: Option<u32>,
    pub(super) tag: Tag,
}

/// Whom frames go to: a neighbour on an interface's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hop {
    /// The interface that the route names, a VLAN interface perhaps.
    pub(super) ifindex: u32,
    pub(super) address: IpAddr,
}

/// A neighbour that frames can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) mac: [u8; 6],
    /// The kernel hasn't heard of it for a while, and looks only when somebody uses it.
    pub(super) stale: bool,
}

/// An address of an interface of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OwnAddress {
    pub(super) ifindex: u32,
    pub(super) address: IpAddr,
    pub(super) prefix_len: u8,
}

/// What the kernel said has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An interface is new or changed.
    Link(Interface),
    /// The interface of this index is gone.
    LinkGone(u32),
    /// An address has these flags (`IFA_F_*`), or is gone.
    Address(OwnAddress, Option<u32>),
    /// A neighbour can be reached like this, or not at all.
    Neighbour(Hop, Option<Neighbour>),
    /// A route for these addresses came or went.
    Route(IpNet),
    /// A rule came or went that chooses the routing table.
    Rule,
}

/// What an [`Event`] means for the addresses that are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// Nothing.
    Nothing,
    /// Any route may be another one.
    Routes,
    /// Any route may be another one, and links have changed.
    Links,
    /// Routes to these addresses may be other ones.
    RoutesTo(IpNet),
    /// This neighbour is another one.
    Hop(Hop),
}

/// Links, own addresses and neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Topology {
    interfaces: BTreeMap<u32, Interface>,
    addresses: BTreeMap<OwnAddress, u32>,
    neighbours: BTreeMap<Hop, Neighbour>,
}

impl Topology {
    /// Takes in an event and says what that touches. Routing is the kernel's: an event that can
    /// move a route only says so.
    pub(super) fn apply(&mut self, event: Event) -> Touched {
        match event {
            Event::Link(interface) => {
                let index = interface.index;
                if self.interfaces.get(&index) == Some(&interface) {
                    return Touched::Nothing;
                }
                self.interfaces.insert(index, interface);
                Touched::Links
            }
            Event::LinkGone(index) => {
                self.addresses.retain(|address, _| address.ifindex != index);
                self.neighbours.retain(|hop, _| hop.ifindex != index);
                match self.interfaces.remove(&index) {
                    Some(_) => Touched::Links,
                    None => Touched::Nothing,
                }
            }
            Event::Address(address, flags) => {
                let before = match flags {
                    Some(flags) => self.addresses.insert(address, flags),
                    None => self.addresses.remove(&address),
                };
                if before == flags { Touched::Nothing } else { Touched::Routes }
            }
            Event::Neighbour(hop, neighbour) => {
                let before = match neighbour {
                    Some(neighbour) => self.neighbours.insert(hop, neighbour),
                    None => self.neighbours.remove(&hop),
                };
                if before == neighbour { Touched::Nothing } else { Touched::Hop(hop) }
            }
            Event::Route(prefix) => Touched::RoutesTo(prefix),
            Event::Rule => Touched::Routes,
        }
    }

    /// The interface of this index.
    pub(super) fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.get(&index)
    }

    /// The interface of this name.
    pub(super) fn interface_named(&self, name: &str) -> Option<&Interface> {
        self.interfaces.values().find(|interface| interface.name == name)
    }

    /// The neighbour, if frames can be sent to it.
    pub(super) fn neighbour(&self, hop: &Hop) -> Option<&Neighbour> {
        self.neighbours.get(hop)
    }

    /// How frames that a route sends to an interface leave the machine: the interface whose driver
    /// sends, and the tags. In words, if they can't.
    pub(super) fn link(&self, index: u32) -> Result<Link, String> {
        let mut interface = self.present(index)?;
        let mut tags = Tags::NONE;
        // Each interface down the stack adds a tag outside of those before.
        while let Some(Vlan { lower, tag }) = interface.vlan {
            if tags.count() == tags.0.len() {
                return Err(format!("more than {} VLAN tags", tags.0.len()));
            }
            tags = Tags([tag, tags.0[0]]);
            let lower = lower.ok_or_else(|| {
                format!("{} stands on an interface of another network namespace", interface.name)
            })?;
            interface = self.present(lower)?;
        }
        Ok(Link { tags, ifindex: interface.index, pad: 0 })
    }

    /// All VLAN interfaces by index, except for those that nothing can be sent from.
    pub(super) fn vlans(&self) -> BTreeMap<u32, Link> {
        self.interfaces
            .values()
            .filter(|interface| interface.vlan.is_some())
            .filter_map(|interface| Some((interface.index, self.link(interface.index).ok()?)))
            .collect()
    }

    fn present(&self, index: u32) -> Result<&Interface, String> {
        self.interface(index).ok_or_else(|| format!("interface {index} is gone"))
    }
}

#[cfg(test)]
#[path = "topology_tests.rs"]
pub(super) mod tests;
