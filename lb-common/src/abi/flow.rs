use super::{Address, Server};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Key of the flow maps: a packet's addresses and ports as it arrives, from the client (to the
/// virtual address) or, with NAT, from the server (to the client). Persistence keeps its templates
/// in the same maps, under keys that no packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(8))]
pub struct FlowKey {
    /// Where the packet comes from.
    pub source: Address,
    /// Where it goes to.
    pub destination: Address,
    /// Network order.
    pub source_port: u16,
    /// Network order.
    pub destination_port: u16,
    /// [`super::protocol::TCP`] or [`super::protocol::UDP`].
    pub protocol: u8,
    /// One of [`key_kind`].
    pub kind: u8,
    #[doc(hidden)]
    pub pad: [u8; 2],
}

/// Values of [`FlowKey::kind`].
pub mod key_kind {
    /// A packet's own.
    pub const PACKET: u8 = 0;
    /// Of a persistence template: the source is the client's address, masked, without a port.
    pub const TEMPLATE: u8 = 1;
}

impl FlowKey {
    /// A key whose ports are not known yet: 0.
    #[inline(always)]
    pub const fn of_addresses(source: Address, destination: Address, protocol: u8) -> Self {
        Self {
            source,
            destination,
            source_port: 0,
            destination_port: 0,
            protocol,
            kind: key_kind::PACKET,
            pad: [0; 2],
        }
    }

    /// For a client's packet: the key of the persistence template of clients whose addresses share
    /// the first `prefix` bits (of 128, see [`Address`]).
    #[inline(always)]
    pub const fn template(&self, prefix: u8) -> Self {
        Self {
            source: self.source.masked(prefix),
            source_port: 0,
            kind: key_kind::TEMPLATE,
            ..*self
        }
    }

    /// For a client's packet: the key of what a NAT server sends back.
    #[inline(always)]
    pub const fn reply_from(&self, server: &Server) -> Self {
        Self {
            source: server.address,
            destination: self.source,
            source_port: server.port,
            destination_port: self.source_port,
            protocol: self.protocol,
            kind: key_kind::PACKET,
            pad: [0; 2],
        }
    }

    /// For a NAT server's packet of a flow: the key of what the client sends.
    #[inline(always)]
    pub const fn request_of(&self, flow: &Flow) -> Self {
        Self {
            source: self.destination,
            destination: flow.virtual_address,
            source_port: self.destination_port,
            destination_port: flow.virtual_port,
            protocol: self.protocol,
            kind: key_kind::PACKET,
            pad: [0; 2],
        }
    }

    /// The key of the packets that go the other way.
    #[inline(always)]
    pub const fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            protocol: self.protocol,
            kind: key_kind::PACKET,
            pad: [0; 2],
        }
    }
}

/// Value of the flow maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(8))]
pub struct Flow {
    /// The virtual address.
    pub virtual_address: Address,
    /// Index of the server.
    pub server: u32,
    /// [`super::Server::generation`] when the server was chosen.
    pub generation: u32,
    /// [`super::Service::id`].
    pub service: u32,
    /// When the last packet came, in seconds of the monotonic clock.
    pub seen: u32,
    /// Seconds after `seen` until the flow is forgotten.
    pub timeout: u32,
    /// The virtual port, network order.
    pub virtual_port: u16,
    /// One of [`state`].
    pub state: u8,
    /// One of [`direction`].
    pub direction: u8,
}

impl Flow {
    /// Whether it is one of its server's live connections at `now`, in seconds of the monotonic
    /// clock: what [`super::map::LOADS`] counts, as long as the server's generation is the flow's.
    #[inline(always)]
    pub const fn is_load(&self, now: u32) -> bool {
        self.direction == direction::REQUEST && self.state < state::FIN && !self.expired(now)
    }

    /// Whether the flow is forgotten at `now`, in seconds of the monotonic clock.
    #[inline(always)]
    pub const fn expired(&self, now: u32) -> bool {
        // Another CPU may have read a later clock: that is no age at all.
        let age = now.wrapping_sub(self.seen) as i32;
        age > 0 && age as u32 >= self.timeout
    }
}

/// Values of [`Flow::direction`].
pub mod direction {
    /// From the client to the virtual address.
    pub const REQUEST: u8 = 0;
    /// From a NAT server to the client.
    pub const REPLY: u8 = 1;
    /// None: a persistence template, see [`super::key_kind::TEMPLATE`].
    pub const TEMPLATE: u8 = 2;
}

/// Values of [`Flow::state`].
pub mod state {
    /// A SYN has come.
    pub const SYN: u8 = 0;
    /// A first packet came that starts no connection: UDP, or TCP known to another director.
    pub const NEW: u8 = 1;
    /// More than the first packet has come.
    pub const ESTABLISHED: u8 = 2;
    /// A FIN has come.
    pub const FIN: u8 = 3;
    /// A reset has come.
    pub const CLOSED: u8 = 4;
}
