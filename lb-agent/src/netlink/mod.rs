//! What the kernel knows about the way to an address: routes, neighbours and links.
//!
//! [`Resolver`] owns the sockets and timers. What it hears goes through `message` into `table`,
//! which keeps the wanted addresses, the kernel's answers about them and, in `topology`, links and
//! neighbours. `resolve` turns these into a [`Resolution`], and `warm` says which neighbours the
//! kernel is to be asked about, and when.

mod driver;
mod kernel;
mod message;
mod model;
mod request;
mod resolve;
mod table;
mod topology;
mod warm;

pub use driver::Resolver;
pub use model::{Resolution, Via};
pub use table::Change;
pub use topology::Interface;
