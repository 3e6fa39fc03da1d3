//! Shared parts of the tests.
//!
//! - [`dataplane`]: the same packets through the loaded program and through the host build.
//! - [`generate`]: packets by the million, and an oracle that knows what may become of them.

pub mod dataplane;
pub mod generate;
