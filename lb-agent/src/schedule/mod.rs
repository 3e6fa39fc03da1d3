//! Weighted schedulers as tables: a server's share of the slots is its share of the new flows.
//!
//! The data plane picks a slot by a cursor or a hash, or compares the servers in all of them by
//! their live connections; which server a slot means is decided here. So a change of a weight is a
//! new table, unless servers are compared.

mod apportion;
mod cache;
mod interleave;
mod maglev;

#[cfg(test)]
mod tests;

pub use cache::Cache;

use lb_common::api::Scheduler;
use std::net::SocketAddr;

/// A server as the schedulers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it listens: what Maglev hashes.
    pub address: SocketAddr,
    /// Its share; with 0 it gets no slot.
    pub weight: u32,
}

/// The table of a service: positions in `servers`, one a slot. Empty if all weights are 0.
///
/// - `rr`: every server once; and `lc`, `wlc`, `sed`, `nq`, for which the table is the list of those
///   to compare.
/// - `wrr`, `sh`, `dh`: one round of weighted round robin.
/// - `mh`: a Maglev table of `maglev_size` slots, or of a size that suits the number of servers
///   (also those of weight 0, so that a drain doesn't change it). A size that is no prime, or
///   smaller than the number of servers, is raised to the next that will do.
pub fn table(scheduler: Scheduler, maglev_size: Option<u32>, servers: &[Candidate]) -> Vec<u32> {
    let weights = || servers.iter().map(|server| server.weight);
    match scheduler {
        Scheduler::Rr | Scheduler::Lc | Scheduler::Wlc | Scheduler::Sed | Scheduler::Nq => {
            interleave::round(&weights().map(|w| w.min(1)).collect::<Vec<_>>())
        }
        Scheduler::Wrr | Scheduler::Sh | Scheduler::Dh => {
            interleave::round(&weights().collect::<Vec<_>>())
        }
        Scheduler::Mh => maglev::table(maglev_size, servers),
    }
}
