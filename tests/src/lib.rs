//! Shared parts of the tests and of the demo.
//!
//! - [`dataplane`]: the same packets through the loaded program and through the host build.
//! - [`lab`]: network namespaces with real sockets.

pub mod dataplane;
pub mod lab;
