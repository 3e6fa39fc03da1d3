//! The maps' names, which are also the names of their pins.

/// Hash: [`super::ServiceKey`] to [`super::Service`].
pub const SERVICES: &str = "SERVICES";
/// Array: server index to [`super::Server`].
pub const SERVERS: &str = "SERVERS";
/// Array that user space maps into memory: server indexes (u32), a run of slots a service.
pub const SLOTS: &str = "SLOTS";
/// Array: service id to its round-robin cursor (u64).
pub const CURSORS: &str = "CURSORS";
/// LRU hash: [`super::FlowKey`] to [`super::Flow`], flows of more than one packet.
pub const FLOWS: &str = "FLOWS";
/// LRU hash like [`FLOWS`]: flows of which one packet has come.
pub const HALF_OPEN: &str = "HALF_OPEN";
/// Array of one [`super::Sources`].
pub const SOURCES: &str = "SOURCES";
/// Hash: interface index (u32) to [`super::Link`].
pub const LINKS: &str = "LINKS";
/// Per-CPU array: [`crate::reason::Reason`] to a count of packets (u64).
pub const REASONS: &str = "REASONS";
/// Per-CPU array: service id to [`super::Stats`].
pub const SERVICE_STATS: &str = "SERVICE_STATS";
/// Per-CPU array: server index to [`super::Stats`].
pub const SERVER_STATS: &str = "SERVER_STATS";
/// Array that user space maps into memory: server index to its live connections (i64), for services
/// with [`super::service_flags::COUNTED`]; see [`super::Flow::is_load`]. What flows that expire
/// or are evicted leave in it, user space takes out; for a moment it may be below 0.
pub const LOADS: &str = "LOADS";
/// Per-CPU array of one [`crate::datapath::Scratch`]; not pinned.
pub const SCRATCH: &str = "SCRATCH";
/// Ring buffer of [`super::Neighbor`].
pub const UNRESOLVED: &str = "UNRESOLVED";
