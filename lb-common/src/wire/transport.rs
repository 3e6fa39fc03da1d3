//! TCP (RFC 9293) and UDP (RFC 768), as far as a load balancer looks.

use super::{be, raw};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What TCP and UDP have in common.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ports {
    /// Sender's.
    pub source: raw::U16,
    /// Receiver's.
    pub destination: raw::U16,
}

/// The TCP header without its options.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Tcp {
    /// Ports.
    pub ports: Ports,
    /// Sequence number.
    pub sequence: be::U32,
    /// Acknowledgement number.
    pub acknowledgement: be::U32,
    /// Header length in words of 32 bits, in the upper 4 bits.
    pub data_offset: u8,
    /// See [`tcp`].
    pub flags: u8,
    /// Receive window.
    pub window: be::U16,
    /// Over pseudo-header, header and data.
    pub checksum: raw::U16,
    /// Urgent pointer.
    pub urgent: be::U16,
}

/// The UDP header.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Udp {
    /// Ports.
    pub ports: Ports,
    /// Header and data, in bytes.
    pub length: be::U16,
    /// Over pseudo-header, header and data; 0 for none (IPv4 only).
    pub checksum: raw::U16,
}

/// Bits of [`Tcp::flags`].
pub mod tcp {
    /// No more data.
    pub const FIN: u8 = 0x01;
    /// A connection begins.
    pub const SYN: u8 = 0x02;
    /// A connection is refused or ends at once.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
}
