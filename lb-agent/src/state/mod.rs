//! Changes that operators made at run time, kept on disk.
//!
//! The configuration file says what was planned, the [`Overrides`] what was changed since: a
//! server drained, another weight. They outlive restarts of the agent and reloads of the file.

mod overrides;
mod store;

pub use overrides::{ChangeError, Override, Overrides};
pub use store::{Opened, Store, StoreError};
