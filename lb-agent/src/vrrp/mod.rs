//! VRRP (RFC 9568, RFC 3768): which director has the virtual addresses.
//!
//! Nothing here does I/O. A driver gives what it received to [`packet::parse`], what follows and
//! the clock to a [`Group`] of virtual routers, and carries out the [`Effect`]s.

pub mod election;
pub mod machine;
pub mod packet;
mod sync_group;
pub mod track;

#[cfg(test)]
mod simulation;

pub use machine::{Effect, Input, Machine, Options, Peer, Reason, State};
pub use sync_group::{Affected, Group};

/// What a router says to be rid of its mastership (RFC 9568, section 5.2.4).
pub const RESIGNS: u8 = 0;
/// The priority of the router whose own addresses the virtual ones are (RFC 9568, section 5.2.4).
pub const OWNER: u8 = 255;
