use super::{Address, Tags};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of the servers map: one server of one service, with all that forwarding to it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(8))]
pub struct Server {
    /// How its frames leave.
    pub next_hop: NextHop,
    /// The real server's address.
    pub address: Address,
    /// Source of the outer header; only for [`mode::TUNNEL`].
    pub tunnel_source: Address,
    /// Counts the users of this index, so that a flow of the last one is not taken for the next's.
    pub generation: u32,
    /// [`super::Service::id`] of the service that it belongs to.
    pub service: u32,
    /// The real server's port, network order.
    pub port: u16,
    /// One of [`mode`].
    pub mode: u8,
    /// Bits of [`server_flags`].
    pub flags: u8,
    #[doc(hidden)]
    pub pad: u32,
}

/// Where a frame goes on the link.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C, align(8))]
pub struct NextHop {
    /// Tags to send with.
    pub tags: Tags,
    /// The interface whose driver sends.
    pub ifindex: u32,
    /// Largest IP packet that it takes, in bytes.
    pub mtu: u32,
    /// Link-layer destination.
    pub destination: [u8; 6],
    /// Link-layer source.
    pub source: [u8; 6],
    #[doc(hidden)]
    pub pad: u32,
}

/// Values of [`Server::mode`].
pub mod mode {
    /// Destination address and port rewritten; replies come back through the director.
    pub const NAT: u8 = 0;
    /// Direct routing: only the link-layer addresses change.
    pub const DR: u8 = 1;
    /// IP in IP.
    pub const TUNNEL: u8 = 2;
}

/// Bits of [`Server::flags`].
pub mod server_flags {
    /// The entry is in use; without it, flows that name it choose again.
    pub const PRESENT: u8 = 1;
    /// The next hop's link-layer address is known.
    pub const RESOLVED: u8 = 2;
    /// The server is the director itself.
    pub const LOCAL: u8 = 4;
}
