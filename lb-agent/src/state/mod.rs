//! Changes that operators made at run time, kept on disk.
//!
//! The configuration file says what was planned, the [`Edits`] what was changed since: a server
//! drained, another weight, a service added. They outlive restarts of the agent and reloads of the
//! file. What runs is both together: [`Edits::apply`].

mod apply;
mod edits;
mod prune;
mod saved;
mod store;

pub use apply::Applied;
pub use edits::{ChangeError, Edits};
pub use store::{Opened, Store, StoreError};

#[cfg(test)]
mod tests;
