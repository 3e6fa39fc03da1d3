use super::Address;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One VLAN tag as on the wire: TPID, then TCI. All zero: no tag.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct Tag {
    /// 0x8100 (802.1Q) or 0x88a8 (802.1ad), network order.
    pub tpid: u16,
    /// Priority and VLAN id, network order.
    pub tci: u16,
}

impl Tag {
    /// No tag.
    pub const NONE: Self = Self { tpid: 0, tci: 0 };

    /// Whether there is a tag.
    #[inline(always)]
    pub const fn is_some(&self) -> bool {
        self.tpid != 0
    }
}

/// The tags of a frame, outermost first; a second one only after a first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C, align(8))]
pub struct Tags(pub [Tag; 2]);

impl Tags {
    /// An untagged frame.
    pub const NONE: Self = Self([Tag::NONE; 2]);

    /// How many tags there are: 0, 1 or 2.
    #[inline(always)]
    pub const fn count(&self) -> usize {
        self.0[0].is_some() as usize + self.0[1].is_some() as usize
    }
}

/// Value of the links map, keyed by interface index (u32): how frames that the routing table
/// sends to an interface leave the machine. A VLAN interface is its lower link and its tags.
/// Interfaces that are not in the map are used as they are, untagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(8))]
pub struct Link {
    /// Tags to put on.
    pub tags: Tags,
    /// The interface whose driver sends.
    pub ifindex: u32,
    #[doc(hidden)]
    pub pad: u32,
}

/// Record of the unresolved ring buffer: a next hop that the data plane needed and the kernel
/// has no link-layer address for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(8))]
pub struct Neighbor {
    /// The neighbour's address.
    pub address: Address,
    /// The interface it is behind.
    pub ifindex: u32,
    #[doc(hidden)]
    pub pad: u32,
}
