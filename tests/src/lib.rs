//! Shared parts of the tests and of the demo.
//!
//! - [`dataplane`]: the same packets through the loaded program and through the host build.
//! - [`lab`]: network namespaces with real sockets.
//! - [`packet`]: packets as text.
//! - [`rows`]: tables of packets in, packets out.

pub mod dataplane;
pub mod lab;
pub mod packet;
pub mod rows;
