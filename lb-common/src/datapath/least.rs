//! Comparing servers by their live connections.

use super::env::{Env, Step};
use super::select::NONE;
use crate::abi::{Select, Server, Service};
use core::ops::ControlFlow;

/// How many slots are looked at.
const MOST: u32 = 256;

/// The best server among those in the slots from `first` on, round and round, that takes another
/// connection; of equal ones the first. Where nothing is compared, the first that takes one.
/// [`NONE`] if none does.
#[inline(never)]
pub(super) fn pick<E: Env>(env: &E, service: &Service, first: u32) -> u32 {
    let mut scan = Scan {
        table: service.table,
        slots: service.slots,
        slot: first,
        select: service.select as u32,
        best: NONE,
        best_cost: u32::MAX,
        best_weight: 1,
        pad: 0,
    };
    env.repeat(if service.slots < MOST { service.slots } else { MOST }, &mut scan);
    scan.best
}

/// Whether a server with so many live connections takes no more.
#[inline(always)]
pub(super) fn is_full(server: &Server, load: u32) -> bool {
    server.max_connections != 0 && load >= server.max_connections
}

/// On the kernel's stack: whole words.
#[repr(C, align(8))]
struct Scan {
    table: u32,
    slots: u32,
    /// The next to look at.
    slot: u32,
    select: u32,
    /// The best server so far.
    best: u32,
    best_cost: u32,
    best_weight: u32,
    pad: u32,
}

impl Scan {
    /// What a server with so many live connections costs, by its weight; less is better.
    #[inline(always)]
    fn cost(&self, server: &Server, load: u32) -> (u32, u32) {
        const LC: u32 = Select::LeastConnections as u32;
        const WLC: u32 = Select::WeightedLeastConnections as u32;
        match self.select {
            LC => (load, 1),
            WLC => (load, server.weight),
            _ => (load.saturating_add(1), server.weight),
        }
    }
}

impl Step for Scan {
    #[inline(always)]
    fn step<E: Env>(&mut self, env: &E) -> ControlFlow<()> {
        let Some(index) = env.slot(self.table.wrapping_add(self.slot)) else {
            return ControlFlow::Break(());
        };
        self.slot = if self.slot + 1 < self.slots { self.slot + 1 } else { 0 };
        let Some(server) = env.server(index) else {
            return ControlFlow::Continue(());
        };
        let load = env.load(index);
        if is_full(server, load) {
            return ControlFlow::Continue(());
        }
        let is_idle = load == 0 && self.select == Select::NeverQueue as u32;
        if is_idle || !Select::compares(self.select as u8) {
            self.best = index;
            return ControlFlow::Break(());
        }
        let (cost, weight) = self.cost(server, load);
        // Less for its weight, without a division.
        if (cost as u64) * (self.best_weight as u64) < (self.best_cost as u64) * (weight as u64) {
            (self.best, self.best_cost, self.best_weight) = (index, cost, weight);
        }
        ControlFlow::Continue(())
    }
}
