//! From what the maps hold to what they should hold, step by step.
//!
//! [`plan`] is pure, and all it knows of the past is in the maps: an agent that has just started
//! goes on where another one stopped, in the middle of a plan too. Between any two operations
//! every service's slots name servers of its own that are present, so no packet sees half a
//! change.

mod ledger;
mod observed;
mod planner;
mod pool;
mod runs;
mod survey;

#[cfg(test)]
mod tests;

pub use ledger::Ledger;
pub use observed::{Observed, ServerIdentity};

use crate::desired::Desired;
use lb_common::abi::{Link, Server, Service, ServiceKey, Sources};

/// One change of the maps. Doing it twice does no more than doing it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sets a service's counters and its cursor to 0.
    ResetService {
        /// [`Service::id`].
        id: u32,
    },
    /// Sets a server's counters and its live connections to 0.
    ResetServer {
        /// Its place in the servers map.
        index: u32,
    },
    /// Writes an entry of the servers map.
    WriteServer {
        /// Its place in the servers map.
        index: u32,
        /// The new entry.
        value: Server,
    },
    /// Writes slots that no service uses.
    WriteTable {
        /// The first slot.
        start: u32,
        /// Indexes of servers.
        slots: Vec<u32>,
    },
    /// Writes an entry of the services map.
    WriteService {
        /// Its key; with port 0 the entry for fragments.
        key: ServiceKey,
        /// The new entry.
        value: Service,
    },
    /// Removes an entry of the services map.
    RemoveService {
        /// Its key.
        key: ServiceKey,
    },
    /// Waits until the last packet that may have seen what the operations before this one
    /// replaced is through.
    Settle,
    /// Writes an entry of the links map.
    WriteLink {
        /// The interface.
        ifindex: u32,
        /// The new entry.
        value: Link,
    },
    /// Removes an entry of the links map.
    RemoveLink {
        /// The interface.
        ifindex: u32,
    },
    /// Writes which ends are NAT servers.
    WriteSources(Box<Sources>),
}

/// Why there is no way to the desired state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The maps are too small.
    #[error(
        "limits.{limit} is {have} in the loaded data plane, but {need} are needed; \
         a higher limit takes effect when the data plane is detached and loaded again"
    )]
    Limit {
        /// The field of the configuration's limits.
        limit: &'static str,
        /// How many the maps hold.
        have: u32,
        /// How many are needed at a time.
        need: u64,
    },
    /// There are enough free slots, but not in one piece.
    #[error("limits.slots is {have} in the loaded data plane: no {need} free slots in a row")]
    Fragmented {
        /// How many the map holds.
        have: u32,
        /// How many are needed in a row.
        need: u32,
    },
    /// More VLAN interfaces than the links map holds.
    #[error("{need} VLAN interfaces, but the data plane knows at most {have}")]
    Links {
        /// How many the map holds.
        have: u32,
        /// How many there are.
        need: usize,
    },
}

/// The operations that lead from `observed` to `desired`, in the order to do them in; none if
/// that is where the maps are.
///
/// A service keeps its id, and a server its index, as long as they exist. While a service
/// changes, its new servers and its new table need room beside the old ones; what the services
/// before it in the list gave up may be used for that, after [`Op::Settle`].
pub fn plan(desired: &Desired, observed: &Observed) -> Result<Vec<Op>, PlanError> {
    Ledger::new(observed).plan(desired, observed)
}
