//! The data plane twice, side by side: as the kernel has verified and compiled it, and as ordinary
//! code of this process. Both are given the same [`World`].

mod host;
mod kernel;
mod namespace;
mod world;

pub use host::Host;
pub use kernel::{Kernel, monotonic_seconds};
pub use namespace::{Link, Namespace, in_namespace};
pub use world::{INGRESS, World};

use lb_common::reason::Reason;

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The XDP action.
    pub action: Action,
    /// The frame's bytes afterwards.
    pub frame: Vec<u8>,
}

/// XDP's actions, by the kernel's numbers (`enum xdp_action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A fault of the program: never right.
    Aborted,
    /// Thrown away.
    Drop,
    /// Left to the kernel.
    Pass,
    /// Sent from the interface that it came in by.
    Tx,
    /// Sent from another interface.
    Redirect,
}

impl Action {
    /// The action of a number that a program returned.
    pub fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Drop,
            2 => Self::Pass,
            3 => Self::Tx,
            4 => Self::Redirect,
            _ => Self::Aborted,
        }
    }
}

/// Packets counted for each reason, by [`Reason`] as an index.
#[derive(Clone, PartialEq, Eq)]
pub struct ReasonCounts(pub [u64; Reason::COUNT]);

impl ReasonCounts {
    /// What has been counted since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index] - earlier.0[index]))
    }

    /// The reason of the only packet counted.
    pub fn only(&self) -> Option<Reason> {
        let mut seen = Reason::ALL.iter().filter(|reason| self.0[**reason as usize] > 0);
        let reason = *seen.next()?;
        (seen.next().is_none() && self.0[reason as usize] == 1).then_some(reason)
    }
}

impl std::fmt::Debug for ReasonCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counted = Reason::ALL.iter().map(|reason| (reason.name(), self.0[*reason as usize]));
        f.debug_map().entries(counted.filter(|(_, count)| *count > 0)).finish()
    }
}
