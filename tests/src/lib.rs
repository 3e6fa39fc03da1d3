//! Shared parts of the tests and of the demo.
//!
//! - [`dataplane`]: the same packets through the loaded program and through the host build.
//! - [`generate`]: packets by the million, and an oracle that knows what may become of them.
//! - [`lab`]: network namespaces with real sockets.
//! - [`packet`]: packets as text.
//! - [`rows`]: tables of packets in, packets out.
//! - [`site`]: a client, a director and servers in such a lab.

pub mod dataplane;
pub mod generate;
pub mod lab;
pub mod packet;
pub mod rows;
pub mod site;
