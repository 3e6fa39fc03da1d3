//! IPv6 (RFC 8200) and those of its extension headers that are looked through.

use super::be;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The fixed header.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ipv6 {
    /// Version (6), traffic class and flow label: 4, 8 and 20 bits.
    pub version_class_flow: be::U32,
    /// All that follows this header, in bytes.
    pub payload_length: be::U16,
    /// What follows.
    pub next_header: u8,
    /// Time to live.
    pub hop_limit: u8,
    /// Sender.
    pub source: [u8; 16],
    /// Receiver.
    pub destination: [u8; 16],
}

/// The first 8 bytes of an extension header; all of the fragment header.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Extension {
    /// What follows.
    pub next_header: u8,
    /// Length in units of 8 bytes, without the first; 0 in the fragment header.
    pub length: u8,
    /// Fragment header: offset and flag, then the identification. Routing header: its type, then
    /// how many segments are left.
    pub content: [u8; 6],
}

/// Length of [`Ipv6`].
pub const HEADER: usize = size_of::<Ipv6>();

/// Hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// Routing header.
pub const ROUTING: u8 = 43;
/// Fragment header.
pub const FRAGMENT: u8 = 44;
/// Destination options.
pub const DESTINATION_OPTIONS: u8 = 60;
