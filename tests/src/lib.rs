//! Shared parts of the tests.
//!
//! - [`dataplane`]: the same packets through the loaded program and through the host build.

pub mod dataplane;
