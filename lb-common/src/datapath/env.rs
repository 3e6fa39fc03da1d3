use crate::abi::{Address, Flow, FlowKey, NextHop, Server, Service, ServiceKey};
use core::ops::ControlFlow;

/// What the data plane asks of its surroundings: maps, clock and routes.
pub trait Env {
    /// Seconds of the monotonic clock.
    fn now(&self) -> u32;

    /// The service at an address, if there is one.
    fn service(&self, key: &ServiceKey) -> Option<&Service>;

    /// Content of a slot: the index of a server.
    fn slot(&self, slot: u32) -> Option<u32>;

    /// The server of an index.
    fn server(&self, index: u32) -> Option<&Server>;

    /// Takes the next number of a service's cursor: each number once, over all CPUs.
    fn advance(&self, service: u32) -> u64;

    /// Whether an end may be a NAT server; see [`crate::abi::Sources`].
    fn is_nat_source(&self, address: &Address, port: u16, protocol: u8) -> bool;

    /// Reads and changes a flow in place.
    fn flow<R>(
        &self,
        table: FlowTable,
        key: &FlowKey,
        visit: impl FnOnce(&mut Flow) -> R,
    ) -> Option<R>;

    /// Adds or replaces a flow. The table may forget others, or even this one.
    fn insert(&self, table: FlowTable, key: &FlowKey, flow: &Flow);

    /// Forgets a flow.
    fn remove(&self, table: FlowTable, key: &FlowKey);

    /// How many live connections a server has; see [`crate::abi::map::LOADS`].
    fn load(&self, server: u32) -> u32;

    /// Changes the number of a server's live connections.
    fn add_load(&self, server: u32, by: i64);

    /// Repeats a step, `times` times at most. The verifier walks through it once.
    fn repeat<S: Step>(&self, times: u32, step: &mut S);

    /// Asks the routing table for the way of a packet that this machine sends.
    fn route(&self, query: &RouteQuery<'_>) -> Route;

    /// How many ICMP errors may be sent in a second: [`super::ANSWERS_PER_SECOND`], but for tests.
    fn answers_per_second(&self) -> u32;

    /// Counts a packet from a client to a server, by [`Service::id`] and server index.
    fn count_in(&self, service: u32, server: u32, bytes: u64, new: bool);

    /// Counts a packet from a server to a client.
    fn count_out(&self, service: u32, server: u32, bytes: u64);
}

/// What [`Env::repeat`] does again and again.
pub trait Step {
    /// Once; [`ControlFlow::Break`] if that was the last time.
    fn step<E: Env>(&mut self, env: &E) -> ControlFlow<()>;
}

/// Which flow map. A flood of first packets churns [`FlowTable::HalfOpen`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowTable {
    /// Flows of more than one packet.
    Established,
    /// Flows of which one packet has come.
    HalfOpen,
}

/// A packet to be routed.
#[derive(Clone, Copy, Debug)]
pub struct RouteQuery<'a> {
    /// Its source.
    pub source: &'a Address,
    /// Its destination, of the same family.
    pub destination: &'a Address,
    /// Its protocol.
    pub protocol: u8,
    /// Its length in bytes from the IP header on.
    pub length: u16,
}

/// Answer of the routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The way is known.
    Via(NextHop),
    /// The packet is larger than the way allows: the largest size.
    TooBig(u32),
    /// The next hop's link-layer address is not known; it is being asked for.
    Unresolved,
    /// There is no way.
    None,
}
