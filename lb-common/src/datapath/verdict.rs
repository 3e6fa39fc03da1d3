use crate::reason::{Outcome, Reason};

/// What becomes of a frame: a number for its reason and one that goes with it, small enough to be
/// returned in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Verdict {
    /// Why it leaves the way it does; [`Reason::outcome`] says how.
    pub reason: Reason,
    detail: u32,
}

impl Verdict {
    #[inline(always)]
    pub(super) const fn forwarded(reason: Reason, ifindex: u32) -> Self {
        Self { reason, detail: ifindex }
    }

    #[inline(always)]
    pub(super) const fn too_big(mtu: u32) -> Self {
        Self { reason: Reason::TooBig, detail: mtu }
    }

    /// For [`Outcome::Forwarded`]: the interface whose driver sends.
    #[inline(always)]
    pub const fn ifindex(&self) -> u32 {
        self.detail
    }

    /// For [`Reason::TooBig`]: the size that would have passed.
    #[inline(always)]
    pub(super) const fn mtu(&self) -> u32 {
        self.detail
    }

    /// Whether the packet is to be answered.
    #[inline(always)]
    pub(super) fn wants_answer(&self) -> bool {
        self.reason.outcome() == Outcome::Answered
    }

    /// The verdict on the whole of a step that ends early for some.
    #[inline(always)]
    pub(super) fn of(result: Result<Self, Self>) -> Self {
        match result {
            Ok(verdict) | Err(verdict) => verdict,
        }
    }
}

impl From<Reason> for Verdict {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self { reason, detail: 0 }
    }
}
