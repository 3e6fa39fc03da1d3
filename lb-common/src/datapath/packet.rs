use crate::abi::{Address, FlowKey};

/// What the data plane knows of a packet. Laid out for the kernel's stack: whole words.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Packet {
    /// Addresses, protocol and, once the transport header has been read, the ports.
    pub(super) key: FlowKey,
    /// Offset of the IP header in the frame.
    pub(super) l3: usize,
    /// Offset in the frame of what follows the IP header and its extensions.
    pub(super) payload: usize,
    /// Length of the packet in bytes, from the IP header on.
    pub(super) length: usize,
    /// Whether it is a fragment.
    pub(super) fragment: Fragment,
    /// TTL or hop limit.
    pub(super) ttl: u8,
    /// DSCP and ECN.
    pub(super) traffic_class: u8,
    /// TCP's flags; 0 for others.
    pub(super) tcp_flags: u8,
}

/// A packet's place among the fragments of another: offset in units of 8 bytes and, in bit 0,
/// whether more follow. Kept as a number, not as an enum that was branched for: the verifier walks
/// through the rest of the program once for every constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Fragment(u32);

impl Fragment {
    /// No fragment.
    pub(super) const WHOLE: Self = Self(0);

    /// From an offset in units of 8 bytes, and 1 if more fragments follow.
    #[inline(always)]
    pub(super) const fn new(offset: u16, more: u16) -> Self {
        Self((offset as u32) << 1 | more as u32)
    }

    /// Whether it is no fragment.
    #[inline(always)]
    pub(super) const fn is_whole(self) -> bool {
        self.0 == 0
    }

    /// Whether it is a fragment without the transport header.
    #[inline(always)]
    pub(super) const fn is_later(self) -> bool {
        self.0 > 1
    }
}

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The sender's.
    Source,
    /// The receiver's.
    Destination,
}

impl Packet {
    /// A packet of which nothing is known but its offset.
    #[inline(always)]
    pub(super) const fn at(l3: usize) -> Self {
        Self {
            key: FlowKey::of_addresses(Address::UNSPECIFIED, Address::UNSPECIFIED, 0),
            l3,
            payload: l3,
            length: 0,
            fragment: Fragment::WHOLE,
            ttl: 0,
            traffic_class: 0,
            tcp_flags: 0,
        }
    }

    /// Sender.
    #[inline(always)]
    pub(super) const fn source(&self) -> &Address {
        &self.key.source
    }

    /// Receiver.
    #[inline(always)]
    pub(super) const fn destination(&self) -> &Address {
        &self.key.destination
    }

    /// What follows the IP header.
    #[inline(always)]
    pub(super) const fn protocol(&self) -> u8 {
        self.key.protocol
    }
}
