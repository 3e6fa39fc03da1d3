//! Shared parts of the tests and of the demo: the lab of network namespaces.

pub mod lab;
