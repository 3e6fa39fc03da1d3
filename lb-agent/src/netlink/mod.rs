//! What the kernel knows about the way to an address: routes, neighbours and links.

mod model;

pub use model::{Resolution, Via};
