//! The wanted addresses and what is known about each: a pure core that is fed by the driver.

use super::resolve::{Route, resolve, way_out};
use super::topology::{Event, Hop, Topology, Touched};
use super::warm::{Need, Warmth};
use super::{Interface, Resolution};
use ipnet::IpNet;
use lb_common::abi::Link;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

/// What is different since the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Addresses with another [`Resolution`], or a first one.
    pub addresses: BTreeSet<IpAddr>,
    /// Whether interfaces have changed.
    pub links: bool,
}

impl Change {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && !self.links
    }
}

/// Wanted addresses, the kernel's answers about them, and what follows from both.
#[derive(Debug, Default)]
pub(super) struct Table {
    topology: Topology,
    links: BTreeMap<u32, Link>,
    wanted: BTreeSet<IpAddr>,
    /// Wanted addresses whose route is not known, or may be another one by now.
    unasked: BTreeSet<IpAddr>,
    routes: BTreeMap<IpAddr, Route>,
    resolutions: BTreeMap<IpAddr, Resolution>,
    /// Next hops, each with the wanted addresses behind it.
    users: BTreeMap<Hop, BTreeSet<IpAddr>>,
    warmth: Warmth,
    change: Change,
}

impl Table {
    /// Follows these addresses from now on, and no others. Returns whether some are new.
    pub(super) fn want(&mut self, wanted: BTreeSet<IpAddr>) -> bool {
        let out: Vec<IpAddr> = self.wanted.difference(&wanted).copied().collect();
        self.exchange(out, wanted)
    }

    /// Follows `with` from now on and `out` no more. Returns whether some are new.
    pub(super) fn exchange(
        &mut self,
        out: impl IntoIterator<Item = IpAddr>,
        with: impl IntoIterator<Item = IpAddr>,
    ) -> bool {
        for address in out {
            self.wanted.remove(&address);
            self.unasked.remove(&address);
            self.resolutions.remove(&address);
            self.change.addresses.remove(&address);
            if let Some(route) = self.routes.remove(&address) {
                self.leave(&route, address);
            }
        }
        let mut some_new = false;
        for address in with {
            if self.wanted.insert(address) {
                self.unasked.insert(address);
                some_new = true;
            }
        }
        some_new
    }

    /// Takes in what the kernel said has changed.
    pub(super) fn apply(&mut self, event: Event, now: Instant) {
        match self.topology.apply(event) {
            Touched::Nothing => {}
            Touched::Routes => self.ask_all(),
            Touched::RoutesTo(prefix) => self.ask_within(prefix),
            Touched::Links => self.review(now),
            Touched::Hop(hop) => {
                self.observe(hop, now);
                let users = self.users.get(&hop).cloned().unwrap_or_default();
                users.into_iter().for_each(|address| self.update(address));
            }
        }
    }

    /// Replaces all that is known of links, addresses and neighbours, and asks for all routes.
    pub(super) fn replace(&mut self, topology: Topology, now: Instant) {
        if self.topology == topology {
            self.ask_all();
        } else {
            self.topology = topology;
            self.review(now);
        }
    }

    /// Takes the addresses that the kernel has to be asked about, for [`Table::answer`]. Those
    /// that get no answer are asked about again after [`Table::replace`].
    pub(super) fn take_unasked(&mut self) -> BTreeSet<IpAddr> {
        std::mem::take(&mut self.unasked)
    }

    /// Whether there is something to ask the kernel.
    pub(super) fn has_unasked(&self) -> bool {
        !self.unasked.is_empty()
    }

    /// Takes in the kernel's answer about an address.
    pub(super) fn answer(&mut self, address: IpAddr, route: Route, now: Instant) {
        if !self.wanted.contains(&address) {
            return;
        }
        let hop = route.hop(address);
        let before = self.routes.insert(address, route);
        if let Some(before) = before.filter(|before| before.hop(address) != hop) {
            self.leave(&before, address);
        }
        if let Some(hop) = hop {
            self.users.entry(hop).or_default().insert(address);
        }
        self.update(address);
        if let Some(hop) = hop {
            self.observe(hop, now);
        }
    }

    /// The data plane has met a neighbour without a link-layer address.
    pub(super) fn solicit(&mut self, hop: Hop, now: Instant) {
        if self.topology.neighbour(&hop).is_none() && !self.users.contains_key(&hop) {
            self.warmth.invite(hop, now);
        }
    }

    /// Neighbours that the kernel is to be asked about now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Hop> {
        self.warmth.take_due(now)
    }

    /// When [`Table::take_due`] has the next ones.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.warmth.next_due()
    }

    /// What is different since this was called last.
    pub(super) fn take_change(&mut self) -> Change {
        std::mem::take(&mut self.change)
    }

    pub(super) fn has_change(&self) -> bool {
        !self.change.is_empty()
    }

    /// Whether each wanted address has a resolution.
    pub(super) fn complete(&self) -> bool {
        self.resolutions.len() == self.wanted.len()
    }

    pub(super) fn resolutions(&self) -> &BTreeMap<IpAddr, Resolution> {
        &self.resolutions
    }

    pub(super) fn links(&self) -> &BTreeMap<u32, Link> {
        &self.links
    }

    pub(super) fn interface_named(&self, name: &str) -> Option<&Interface> {
        self.topology.interface_named(name)
    }

    fn ask_all(&mut self) {
        self.unasked.clone_from(&self.wanted);
    }

    fn ask_within(&mut self, prefix: IpNet) {
        self.unasked.extend(self.wanted.range(prefix.network()..=prefix.broadcast()));
    }

    /// Works everything out again, from other links or neighbours.
    fn review(&mut self, now: Instant) {
        self.links = self.topology.vlans();
        self.change.links = true;
        let addresses: Vec<IpAddr> = self.routes.keys().copied().collect();
        addresses.into_iter().for_each(|address| self.update(address));
        let hops: BTreeSet<Hop> = self.users.keys().copied().chain(self.warmth.hops()).collect();
        hops.into_iter().for_each(|hop| self.observe(hop, now));
        // What stays up gives the old answer once more; what went down moved its routes silently.
        self.ask_all();
    }

    /// Works out the resolution of an address that has a route.
    fn update(&mut self, address: IpAddr) {
        let Some(route) = self.routes.get(&address) else {
            return;
        };
        let resolution = resolve(address, route, &self.topology);
        if self.resolutions.get(&address) != Some(&resolution) {
            self.resolutions.insert(address, resolution);
            self.change.addresses.insert(address);
        }
    }

    /// Tells what is to be done about a neighbour.
    fn observe(&mut self, hop: Hop, now: Instant) {
        let need = match self.topology.neighbour(&hop) {
            Some(neighbour) if neighbour.stale => Need::Verify,
            Some(_) => Need::Nothing,
            None if way_out(hop.ifindex, &self.topology).is_err() => Need::Nothing,
            None => Need::Resolve,
        };
        if self.users.contains_key(&hop) {
            self.warmth.keep(hop, need, now);
        } else {
            self.warmth.observe(hop, need, now);
        }
    }

    /// An address is no longer behind the next hop of this route.
    fn leave(&mut self, route: &Route, address: IpAddr) {
        let Some(hop) = route.hop(address) else {
            return;
        };
        let Some(users) = self.users.get_mut(&hop) else {
            return;
        };
        users.remove(&address);
        if users.is_empty() {
            self.users.remove(&hop);
            self.warmth.forget(&hop);
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
