//! ICMP (RFC 792) and ICMPv6 (RFC 4443).

use super::{be, raw};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The header of an error; the packet in question follows.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Icmp {
    /// Kind of message: see [`v4`] and [`v6`].
    pub kind: u8,
    /// Which of that kind.
    pub code: u8,
    /// ICMP: over the message; ICMPv6: over pseudo-header and message.
    pub checksum: raw::U16,
    /// The MTU in "fragmentation needed" (lower 16 bits, RFC 1191) and "packet too big".
    pub mtu: be::U32,
}

/// Length of [`Icmp`].
pub const HEADER: usize = size_of::<Icmp>();

/// Kinds and codes of ICMP.
pub mod v4 {
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// Code of [`UNREACHABLE`]: port.
    pub const PORT: u8 = 3;
    /// Code of [`UNREACHABLE`]: fragmentation needed and DF set.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
}

/// Kinds and codes of ICMPv6.
pub mod v6 {
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 1;
    /// Code of [`UNREACHABLE`]: port.
    pub const PORT: u8 = 4;
    /// Packet too big.
    pub const TOO_BIG: u8 = 2;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Kinds below this one are errors.
    pub const FIRST_QUERY: u8 = 128;
}
