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
    /// Its share of the connections, for [`super::Select`]s that count them.
    pub weight: u32,
    /// How many live connections it takes at most; 0: any number.
    pub max_connections: u32,
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
    /// The frame's link-layer addresses.
    pub macs: Macs,
}

/// The first 12 bytes of an Ethernet frame, destination and source, in words that the kernel's stack
/// takes: [`Macs::new`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C, align(8))]
pub struct Macs {
    /// Bytes 0 to 7.
    pub head: u64,
    /// Bytes 8 to 11.
    pub tail: u32,
    #[doc(hidden)]
    pub pad: u32,
}

impl Macs {
    /// From a destination and a source.
    #[inline(always)]
    pub const fn new(destination: [u8; 6], source: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = destination;
        let [g, h, i, j, k, l] = source;
        Self {
            head: u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            tail: u32::from_ne_bytes([i, j, k, l]),
            pad: 0,
        }
    }
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
    /// It takes no new flows: those of UDP that it has choose again, those of TCP go on.
    pub const LEAVING: u8 = 8;
    /// Its TCP flows are reset. Only with [`LEAVING`].
    pub const RESETS: u8 = 16;
}
