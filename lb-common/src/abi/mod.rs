//! Layouts of the BPF maps: what the agent writes and the data plane reads.
//!
//! Every type is `repr(C)`, aligned to 8, with its padding written out; zerocopy's derives turn a
//! hidden padding byte into a compile error. Addresses and ports are in network order, all other
//! numbers in the host's.

mod address;
mod flow;
mod link;
pub mod map;
mod server;
mod service;
mod stats;

pub use address::Address;
pub use flow::{Flow, FlowKey, direction, key_kind, state};
pub use link::{Link, Neighbor, Tag, Tags};
pub use server::{Macs, NextHop, Server, mode, server_flags};
pub use service::{Select, Service, ServiceKey, Sources, Timeouts, service_flags};
pub use stats::Stats;

/// Part of the pin path: programs and maps of another number are never reused.
pub const ABI_VERSION: u32 = 2;

/// IANA protocol numbers that the data plane knows.
pub mod protocol {
    /// IPv4 in IP (RFC 2003).
    pub const IPIP: u8 = 4;
    /// ICMP (RFC 792).
    pub const ICMP: u8 = 1;
    /// TCP (RFC 9293).
    pub const TCP: u8 = 6;
    /// UDP (RFC 768).
    pub const UDP: u8 = 17;
    /// IPv6 in IP (RFC 2473).
    pub const IPV6: u8 = 41;
    /// ICMPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
}
