//! What the data plane asks of the kernel: maps, clock and routes.
#![expect(unsafe_code, reason = "map values are raw pointers shared with other CPUs")]

use crate::{fib, maps};
use aya_ebpf::Global;
use aya_ebpf::bindings::{BPF_ANY, xdp_md};
use aya_ebpf::helpers::{bpf_ktime_get_coarse_ns, bpf_loop};
use core::ffi::c_void;
use core::intrinsics::{AtomicOrdering, atomic_xadd};
use lb_common::abi::{Address, Flow, FlowKey, Server, Service, ServiceKey, Stats};
use lb_common::datapath::{self, Env, FlowTable, Route, RouteQuery, Step};
use lb_common::reason::Reason;

/// Read-only data, which the loader may set.
#[unsafe(no_mangle)]
static ANSWERS_PER_SECOND: Global<u32> = Global::new(datapath::ANSWERS_PER_SECOND);

/// The kernel this program runs in.
pub(crate) struct Kernel {
    /// The context of the frame at hand, which a route look-up wants.
    pub(crate) ctx: *mut xdp_md,
}

impl Kernel {
    /// Counts a packet that leaves for a reason.
    #[inline(always)]
    pub(crate) fn count(&self, reason: Reason) {
        if let Some(count) = maps::REASONS.get_ptr_mut(reason as u32) {
            // SAFETY: this CPU's value, and no other program of this CPU runs meanwhile.
            unsafe { *count += 1 };
        }
    }
}

impl Env for Kernel {
    #[inline(always)]
    fn now(&self) -> u32 {
        const NS_PER_SECOND: u64 = 1_000_000_000;
        // SAFETY: takes no pointer.
        (unsafe { bpf_ktime_get_coarse_ns() } / NS_PER_SECOND) as u32
    }

    #[inline(always)]
    fn service(&self, key: &ServiceKey) -> Option<&Service> {
        // SAFETY: without preallocation an entry that user space replaces stays until this
        // program has returned (RCU).
        unsafe { maps::SERVICES.get(key) }
    }

    #[inline(always)]
    fn slot(&self, slot: u32) -> Option<u32> {
        maps::SLOTS.get(slot).copied()
    }

    #[inline(always)]
    fn server(&self, index: u32) -> Option<&Server> {
        maps::SERVERS.get(index)
    }

    #[inline(always)]
    fn advance(&self, service: u32) -> u64 {
        match maps::CURSORS.get_ptr_mut(service) {
            // For a relaxed addition, LLVM 22 chooses the instruction that gives no result.
            // SAFETY: an aligned u64 in an array map, changed by atomic additions alone.
            Some(cursor) => unsafe {
                atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(cursor, 1)
            },
            None => 0,
        }
    }

    #[inline(always)]
    fn is_nat_source(&self, address: &Address, port: u16, protocol: u8) -> bool {
        maps::SOURCES.get(0).is_some_and(|sources| sources.contains(address, port, protocol))
    }

    #[inline(always)]
    fn flow<R>(
        &self,
        table: FlowTable,
        key: &FlowKey,
        visit: impl FnOnce(&mut Flow) -> R,
    ) -> Option<R> {
        let flow = match table {
            FlowTable::Established => maps::FLOWS.get_ptr_mut(key),
            FlowTable::HalfOpen => maps::HALF_OPEN.get_ptr_mut(key),
        }?;
        // SAFETY: the entry stays allocated while this program runs. Another CPU may write the
        // same flow: its fields are words that stand each for itself.
        Some(visit(unsafe { &mut *flow }))
    }

    #[inline(always)]
    fn insert(&self, table: FlowTable, key: &FlowKey, flow: &Flow) {
        // An LRU map makes room by itself; where even that fails, the flow is not remembered.
        let _ = match table {
            FlowTable::Established => maps::FLOWS.insert(key, flow, BPF_ANY.into()),
            FlowTable::HalfOpen => maps::HALF_OPEN.insert(key, flow, BPF_ANY.into()),
        };
    }

    #[inline(always)]
    fn remove(&self, table: FlowTable, key: &FlowKey) {
        // It may have been forgotten before.
        let _ = match table {
            FlowTable::Established => maps::FLOWS.remove(key),
            FlowTable::HalfOpen => maps::HALF_OPEN.remove(key),
        };
    }

    #[inline(always)]
    fn load(&self, server: u32) -> u32 {
        maps::LOADS.get(server).map_or(0, |load| (*load).clamp(0, u32::MAX as i64) as u32)
    }

    #[inline(always)]
    fn add_load(&self, server: u32, by: i64) {
        if let Some(load) = maps::LOADS.get_ptr_mut(server) {
            // SAFETY: an aligned i64 in an array map, changed by atomic additions alone.
            unsafe { atomic_xadd::<i64, i64, { AtomicOrdering::SeqCst }>(load, by) };
        }
    }

    #[inline(always)]
    fn repeat<S: Step>(&self, times: u32, step: &mut S) {
        const NO_FLAGS: u64 = 0;
        let mut turn = Turn { kernel: self, step };
        let callback: extern "C" fn(u64, *mut c_void) -> i64 = take_turn::<S>;
        // SAFETY: the callback takes what `turn` is, which lives until the helper returns.
        unsafe {
            bpf_loop(times, callback as *mut c_void, (&raw mut turn).cast(), NO_FLAGS);
        }
    }

    #[inline(always)]
    fn route(&self, query: &RouteQuery<'_>) -> Route {
        fib::route(self.ctx, query)
    }

    #[inline(always)]
    fn answers_per_second(&self) -> u32 {
        ANSWERS_PER_SECOND.load()
    }

    #[inline(always)]
    fn count_in(&self, service: u32, server: u32, bytes: u64, new: bool) {
        add(maps::SERVICE_STATS.get_ptr_mut(service), |stats| stats.add_in(bytes, new));
        add(maps::SERVER_STATS.get_ptr_mut(server), |stats| stats.add_in(bytes, new));
    }

    #[inline(always)]
    fn count_out(&self, service: u32, server: u32, bytes: u64) {
        add(maps::SERVICE_STATS.get_ptr_mut(service), |stats| stats.add_out(bytes));
        add(maps::SERVER_STATS.get_ptr_mut(server), |stats| stats.add_out(bytes));
    }
}

/// What a callback of [`bpf_loop`] is given.
struct Turn<'a, S> {
    kernel: &'a Kernel,
    step: &'a mut S,
}

/// The callback for a step: 0 goes on, 1 ends the loop.
extern "C" fn take_turn<S: Step>(_number: u64, turn: *mut c_void) -> i64 {
    // SAFETY: `repeat` passes its own, which nothing else uses meanwhile.
    let turn = unsafe { &mut *turn.cast::<Turn<'_, S>>() };
    turn.step.step(turn.kernel).is_break() as i64
}

#[inline(always)]
fn add(stats: Option<*mut Stats>, change: impl FnOnce(&mut Stats)) {
    if let Some(stats) = stats {
        // SAFETY: this CPU's value, and no other program of this CPU runs meanwhile.
        change(unsafe { &mut *stats });
    }
}
