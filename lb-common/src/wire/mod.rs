//! Packet headers as they lie on the wire: all of alignment 1, so that any offset will do.
//! [`be`] numbers are converted on reading; [`raw`] ones are copied or summed as they lie.

pub mod checksum;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod transport;

pub use zerocopy::{big_endian as be, native_endian as raw};

/// A header: any bytes are one, and it can be written over any bytes.
pub trait Wire:
    zerocopy::FromBytes
    + zerocopy::IntoBytes
    + zerocopy::KnownLayout
    + zerocopy::Immutable
    + zerocopy::Unaligned
{
}

impl<T> Wire for T where
    T: zerocopy::FromBytes
        + zerocopy::IntoBytes
        + zerocopy::KnownLayout
        + zerocopy::Immutable
        + zerocopy::Unaligned
{
}
