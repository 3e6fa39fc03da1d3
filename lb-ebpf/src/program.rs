//! The entry: from a verdict to an XDP action.
#![expect(unsafe_code, reason = "helpers and attributes of the kernel boundary")]

use crate::env::Kernel;
use crate::frame::XdpFrame;
use crate::maps;
use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX};
use aya_ebpf::helpers::bpf_redirect;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use lb_common::datapath::process;
use lb_common::reason::{Outcome, Reason};

/// Runs on every received frame.
#[xdp]
fn lb(ctx: XdpContext) -> u32 {
    let mut frame = XdpFrame::new(&ctx);
    let kernel = Kernel { ctx: ctx.ctx };
    let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else {
        return XDP_ABORTED;
    };
    // SAFETY: this CPU's value, and no other program of this CPU runs meanwhile.
    let verdict = process(&mut frame, &kernel, unsafe { &mut *scratch });
    kernel.count(verdict.reason);
    match verdict.reason.outcome() {
        Outcome::Forwarded => transmit(&ctx, verdict.ifindex()),
        Outcome::Answered => XDP_TX,
        Outcome::Passed => XDP_PASS,
        Outcome::Dropped => {
            log_drop(&ctx, verdict.reason);
            XDP_DROP
        }
    }
}

#[inline(always)]
fn transmit(ctx: &XdpContext, ifindex: u32) -> u32 {
    if ctx.ingress_ifindex() as u32 == ifindex {
        return XDP_TX;
    }
    // SAFETY: takes no pointer.
    unsafe { bpf_redirect(ifindex, 0) as u32 }
}

/// Nothing at all unless the program was loaded with a log level for it.
#[inline(never)]
fn log_drop(ctx: &XdpContext, reason: Reason) {
    aya_log_ebpf::debug!(ctx, "dropped: reason {}", reason as u32);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: nothing in this program panics, or the linker would have kept a call to this.
    unsafe { core::hint::unreachable_unchecked() }
}

/// Helpers that are for programs under the GPL, such as logging, want this.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
