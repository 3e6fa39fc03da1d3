//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Words are taken as they
//! lie in memory: the sum is the same in either byte order.

use crate::abi::Address;

/// A one's complement sum not yet folded to 16 bits. Room for 2^32 additions of 32 bits.
#[derive(Clone, Copy, Debug)]
pub struct Sum(u64);

impl Sum {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Adds 32 bits.
    #[inline(always)]
    pub const fn add(self, word: u32) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds an address as a pseudo-header has it; a mapped IPv4 address adds its prefix, which
    /// [`Self::replace_address`] cancels.
    #[inline(always)]
    pub const fn add_address(self, address: &Address) -> Self {
        let [high, low] = address.words();
        self.add(high as u32).add((high >> 32) as u32).add(low as u32).add((low >> 32) as u32)
    }

    /// Adds what turns a sum over `old` into one over `new` (RFC 1624, equation 3).
    #[inline(always)]
    pub const fn replace(self, old: u16, new: u16) -> Self {
        self.add(!old as u32).add(new as u32)
    }

    /// [`Self::replace`] for an address.
    #[inline(always)]
    pub const fn replace_address(self, old: &Address, new: &Address) -> Self {
        let [high, low] = old.words();
        self.add(!high as u32)
            .add((!high >> 32) as u32)
            .add(!low as u32)
            .add((!low >> 32) as u32)
            .add_address(new)
    }

    /// The checksum of what was added: its complement in 16 bits.
    #[inline(always)]
    pub const fn checksum(self) -> u16 {
        let mut sum = (self.0 >> 32) + (self.0 & 0xffff_ffff);
        sum = (sum >> 16) + (sum & 0xffff);
        sum = (sum >> 16) + (sum & 0xffff);
        sum = (sum >> 16) + (sum & 0xffff);
        !(sum as u16)
    }

    /// The checksum `old` after the replacements added to this sum.
    #[inline(always)]
    pub const fn update(self, old: u16) -> u16 {
        self.add(!old as u32).checksum()
    }
}
