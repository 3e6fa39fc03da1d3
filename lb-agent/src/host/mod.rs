//! What the agent sees to on the machine itself, so that nobody has to do it by hand.
//!
//! Each function does nothing where all is as it should be, and says what it has changed.

mod bpffs;
mod features;
mod forwarding;
mod instance;
mod memlock;
mod open_files;

pub use bpffs::{BPFFS, mount_bpffs};
pub use features::{keep_frames_apart, keep_vlan_tags};
pub use forwarding::forward_on_loopback;
pub use instance::{Instance, InstanceError};
pub use memlock::raise_locked_memory_limit;
pub use open_files::raise_open_files_limit;

use std::io;

/// Why the machine could not be put right.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused.
    #[error("can't {action}: {source}")]
    Refused {
        /// What was tried: "write 1 to /proc/…".
        action: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The driver strips VLAN tags and can't be told not to.
    #[error(
        "the driver of {interface} keeps {features} on: the data plane doesn't see the VLAN tags \
         of frames from there"
    )]
    TagsStripped {
        /// The interface.
        interface: String,
        /// The features' names, as ethtool shows them.
        features: String,
    },
    /// The driver merges received frames and can't be told not to.
    #[error(
        "the driver of {interface} keeps {features} on: the generic XDP hook above it gets merged \
         frames, which are too large to be sent on"
    )]
    FramesMerged {
        /// The interface.
        interface: String,
        /// The features' names, as ethtool shows them.
        features: String,
    },
}

/// Makes an error of a failed attempt to do `action`.
fn refused(action: impl FnOnce() -> String) -> impl FnOnce(io::Error) -> Error {
    |source| Error::Refused { action: action(), source }
}
