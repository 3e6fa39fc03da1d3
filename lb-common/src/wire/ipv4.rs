//! IPv4 (RFC 791).

use super::{be, raw};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The header without its options.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ipv4 {
    /// Version (4) and header length in words of 32 bits.
    pub version_length: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Header and payload, in bytes.
    pub total_length: be::U16,
    /// Identification of a fragmented packet.
    pub id: be::U16,
    /// Flags and offset: [`DONT_FRAGMENT`], [`MORE_FRAGMENTS`], [`FRAGMENT_OFFSET`].
    pub fragment: be::U16,
    /// Time to live.
    pub ttl: u8,
    /// What follows; see [`crate::abi::protocol`].
    pub protocol: u8,
    /// Over the header with its options.
    pub checksum: raw::U16,
    /// Sender.
    pub source: [u8; 4],
    /// Receiver.
    pub destination: [u8; 4],
}

/// Length of [`Ipv4`].
pub const HEADER: usize = size_of::<Ipv4>();
/// [`Ipv4::version_length`] without options.
pub const VERSION_LENGTH: u8 = 0x45;
/// May not be fragmented.
pub const DONT_FRAGMENT: u16 = 0x4000;
/// More fragments follow.
pub const MORE_FRAGMENTS: u16 = 0x2000;
/// Mask of the fragment's offset, in units of 8 bytes.
pub const FRAGMENT_OFFSET: u16 = 0x1fff;

impl Ipv4 {
    /// The checksum of this header, which has no options.
    #[inline(always)]
    pub fn full_checksum(&self) -> u16 {
        let mut sum = super::checksum::Sum::ZERO;
        let words: &[raw::U32; HEADER / 4] = zerocopy::transmute_ref!(self);
        for (index, word) in words.iter().enumerate() {
            // The checksum itself is the second half of the third word.
            let word = if index == 2 { zero_second_half(word.get()) } else { word.get() };
            sum = sum.add(word);
        }
        sum.checksum()
    }
}

#[inline(always)]
const fn zero_second_half(word: u32) -> u32 {
    word & u32::from_ne_bytes([0xff, 0xff, 0, 0])
}
