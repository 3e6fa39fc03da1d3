//! Shared parts of the tests: the lab of network namespaces.
