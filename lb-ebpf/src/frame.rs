//! A received frame as the kernel gives it.
#![expect(unsafe_code, reason = "packet memory is raw pointers")]

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail};
use aya_ebpf::programs::XdpContext;
use core::arch::asm;
use lb_common::datapath::Frame;
use lb_common::reason::Reason;
use lb_common::wire::Wire;

/// No header that is looked at begins behind this offset: behind two tags and six IPv6 extension
/// headers of 2,048 bytes. The verifier wants such a bound.
const MAX_OFFSET: i32 = 0x3fff;

/// The frame of an XDP context.
pub(crate) struct XdpFrame {
    ctx: *mut xdp_md,
}

impl XdpFrame {
    /// Takes the frame of a context.
    #[inline(always)]
    pub(crate) fn new(ctx: &XdpContext) -> Self {
        Self { ctx: ctx.as_ptr().cast() }
    }

    /// Read as the verifier wants it: a field of 32 bits that becomes a whole register, never
    /// spilled in halves.
    #[inline(always)]
    fn data(&self) -> usize {
        let data: usize;
        // SAFETY: reads `xdp_md::data`, at offset 0 of the context.
        unsafe {
            asm!("{0} = *(u32 *)({1} + 0)", out(reg) data, in(reg) self.ctx,
                options(pure, readonly, nostack));
        }
        data
    }

    #[inline(always)]
    fn data_end(&self) -> usize {
        let end: usize;
        // SAFETY: reads `xdp_md::data_end`, at offset 4 of the context.
        unsafe {
            asm!("{0} = *(u32 *)({1} + 4)", out(reg) end, in(reg) self.ctx,
                options(pure, readonly, nostack));
        }
        end
    }
}

impl Frame for XdpFrame {
    #[inline(always)]
    fn length(&self) -> usize {
        let mut len = self.data_end();
        // SAFETY: arithmetic. As an instruction it keeps to whole registers, which is the only way
        // that the verifier lets pointers be subtracted.
        unsafe {
            asm!("{0} -= {1}", inout(reg) len, in(reg) self.data(), options(pure, nomem, nostack))
        };
        len
    }

    #[inline(always)]
    fn at<T: Wire>(&mut self, offset: usize) -> Result<&mut T, Reason> {
        let mut offset = offset;
        // SAFETY: arithmetic. It is written as an instruction because the compiler, which knows
        // that no offset is larger, would leave out what shows the verifier the same.
        unsafe {
            asm!("{0} &= {1}", inout(reg) offset, const MAX_OFFSET, options(pure, nomem, nostack))
        };
        let start = self.data() + offset;
        if start + size_of::<T>() > self.data_end() {
            return Err(Reason::Truncated);
        }
        let header = start as *mut T;
        // SAFETY: a packet never lies at address 0.
        unsafe { core::hint::assert_unchecked(!header.is_null()) };
        // SAFETY: all of the header lies between `data` and `data_end`; T has alignment 1 and
        // takes any bytes; the borrow of `self` keeps it the only reference into the frame.
        Ok(unsafe { &mut *header })
    }

    #[inline(always)]
    fn grow_head(&mut self, by: isize) -> Result<(), Reason> {
        // SAFETY: the context is the program's own; `&mut self` shows that no reference into the
        // frame is left.
        match unsafe { bpf_xdp_adjust_head(self.ctx, -by as i32) } {
            0 => Ok(()),
            _ => Err(Reason::NoHeadroom),
        }
    }

    #[inline(always)]
    fn truncate(&mut self, len: usize) -> Result<(), Reason> {
        let surplus = self.length() as isize - len as isize;
        // SAFETY: as in `grow_head`.
        match unsafe { bpf_xdp_adjust_tail(self.ctx, -surplus as i32) } {
            0 => Ok(()),
            _ => Err(Reason::NoHeadroom),
        }
    }
}
