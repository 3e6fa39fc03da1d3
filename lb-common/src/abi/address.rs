use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An IPv4 or IPv6 address in one form of 16 bytes, network order; IPv4 is mapped to
/// `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(8))]
pub struct Address {
    words: [u64; 2],
}

impl Address {
    /// `::`, which no packet of ours carries: "none".
    pub const UNSPECIFIED: Self = Self { words: [0; 2] };

    /// Maps an IPv4 address, given in network order.
    #[inline(always)]
    pub const fn from_v4(octets: [u8; 4]) -> Self {
        let [a, b, c, d] = octets;
        Self { words: [0, u64::from_ne_bytes([0, 0, 0xff, 0xff, a, b, c, d])] }
    }

    /// Takes an IPv6 address, given in network order.
    #[inline(always)]
    pub const fn from_v6(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self {
            words: [
                u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
                u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
            ],
        }
    }

    /// Whether this is a mapped IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        const MAPPED: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
        const PREFIX: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        self.words[0] == 0 && self.words[1] & PREFIX == MAPPED
    }

    /// The last four octets: the IPv4 address, if this is one.
    #[inline(always)]
    pub const fn v4_octets(&self) -> [u8; 4] {
        let [_, _, _, _, a, b, c, d] = self.words[1].to_ne_bytes();
        [a, b, c, d]
    }

    /// All sixteen octets.
    #[inline(always)]
    pub const fn octets(&self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.words[0].to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.words[1].to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// Takes an address of four words as they lie in memory, as the kernel's interfaces have it.
    #[inline(always)]
    pub const fn from_words32(words: [u32; 4]) -> Self {
        Self { words: zerocopy::transmute!(words) }
    }

    /// The four words that [`Self::from_words32`] takes.
    #[inline(always)]
    pub const fn words32(&self) -> [u32; 4] {
        zerocopy::transmute!(self.words)
    }

    /// The address with all but its first `prefix` bits 0; of a mapped IPv4 address, the first 96
    /// are those of the mapping.
    #[inline(always)]
    pub const fn masked(&self, prefix: u8) -> Self {
        const fn mask(bits: u32) -> u64 {
            if bits == 0 { 0 } else { (u64::MAX << (64 - bits)).to_be() }
        }
        let prefix = if prefix > 128 { 128 } else { prefix as u32 };
        let (high, low) = if prefix > 64 { (64, prefix - 64) } else { (prefix, 0) };
        Self { words: [self.words[0] & mask(high), self.words[1] & mask(low)] }
    }

    /// The two halves as they lie in memory, for hashing and checksums.
    #[inline(always)]
    pub const fn words(&self) -> [u64; 2] {
        self.words
    }
}

impl From<core::net::IpAddr> for Address {
    fn from(address: core::net::IpAddr) -> Self {
        match address {
            core::net::IpAddr::V4(v4) => Self::from_v4(v4.octets()),
            core::net::IpAddr::V6(v6) => Self::from_v6(v6.octets()),
        }
    }
}

impl From<Address> for core::net::IpAddr {
    fn from(address: Address) -> Self {
        if address.is_v4() {
            core::net::IpAddr::from(address.v4_octets())
        } else {
            core::net::IpAddr::from(address.octets())
        }
    }
}

impl core::fmt::Debug for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&core::net::IpAddr::from(*self), f)
    }
}
