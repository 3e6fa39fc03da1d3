//! Ethernet II with 802.1Q and 802.1ad tags.

use super::{be, raw};
use crate::abi::{Macs, Tag};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The header without its tags.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ethernet {
    /// The first bytes of the link-layer addresses; see [`Macs`].
    pub macs_head: raw::U64,
    /// The last bytes of the link-layer addresses.
    pub macs_tail: raw::U32,
    /// Type of what follows.
    pub ethertype: be::U16,
}

/// A tag after its TPID, with the type of what follows.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct TagRest {
    /// Priority and VLAN id.
    pub tci: raw::U16,
    /// Type of what follows.
    pub ethertype: be::U16,
}

/// Length of [`Ethernet`].
pub const HEADER: usize = size_of::<Ethernet>();
/// Length of one tag.
pub const TAG: usize = size_of::<TagRest>();

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// TPID of a customer tag (802.1Q).
pub const VLAN: u16 = 0x8100;
/// TPID of a service tag (802.1ad).
pub const SERVICE_VLAN: u16 = 0x88a8;

/// Whether a type announces a tag.
#[inline(always)]
pub const fn is_tag(ethertype: u16) -> bool {
    ethertype == VLAN || ethertype == SERVICE_VLAN
}

impl Ethernet {
    /// Writes the link-layer addresses.
    #[inline(always)]
    pub fn set_macs(&mut self, macs: &Macs) {
        self.macs_head = raw::U64::new(macs.head);
        self.macs_tail = raw::U32::new(macs.tail);
    }

    /// Link-layer destination.
    #[inline(always)]
    pub fn destination(&self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = self.macs_head.get().to_ne_bytes();
        [a, b, c, d, e, f]
    }

    /// Link-layer source.
    #[inline(always)]
    pub fn source(&self) -> [u8; 6] {
        let [.., a, b] = self.macs_head.get().to_ne_bytes();
        let [c, d, e, f] = self.macs_tail.get().to_ne_bytes();
        [a, b, c, d, e, f]
    }
}

impl Tag {
    /// A tag of a TPID and a VLAN id, both in host order, without priority.
    pub const fn new(tpid: u16, vlan: u16) -> Self {
        Self { tpid: tpid.to_be(), tci: vlan.to_be() }
    }
}
