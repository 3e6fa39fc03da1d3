use super::Address;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Key of the services map: where clients connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(8))]
pub struct ServiceKey {
    /// The virtual address.
    pub address: Address,
    /// The port, network order; 0 in the entry that serves fragments, which show no port.
    pub port: u16,
    /// [`super::protocol::TCP`] or [`super::protocol::UDP`].
    pub protocol: u8,
    #[doc(hidden)]
    pub pad: [u8; 5],
}

impl ServiceKey {
    /// The key of an address, a port in network order and a protocol.
    #[inline(always)]
    pub const fn new(address: Address, port: u16, protocol: u8) -> Self {
        Self { address, port, protocol, pad: [0; 5] }
    }

    /// The key under which fragments for this address and protocol are looked up.
    #[inline(always)]
    pub const fn for_fragments(&self) -> Self {
        Self::new(self.address, 0, self.protocol)
    }
}

/// Value of the services map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(8))]
pub struct Service {
    /// Index of the service's counters and of its cursor.
    pub id: u32,
    /// Its first slot in the slots map.
    pub table: u32,
    /// How many slots it has; 0 when no server takes new flows.
    pub slots: u32,
    /// How a slot is chosen: a [`Select`] as a number.
    pub select: u8,
    /// Bits of [`service_flags`].
    pub flags: u8,
    /// With [`Service::persist`]: clients whose addresses share so many leading bits (of 128, see
    /// [`Address`]) count as one.
    pub persist_prefix: u8,
    #[doc(hidden)]
    pub pad: u8,
    /// When its flows expire.
    pub timeouts: Timeouts,
    /// For so many seconds after a client's last packet, its new flows go to the same server
    /// (LVS's persistence); 0: not at all.
    pub persist: u32,
}

/// Seconds after the last packet until a flow is forgotten; LVS's names and defaults
/// (`tcp_timeouts`, `udp_timeouts` in net/netfilter/ipvs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Timeouts {
    /// TCP after the first SYN (`IP_VS_TCP_S_SYN_RECV`).
    pub syn: u32,
    /// TCP established (`IP_VS_TCP_S_ESTABLISHED`).
    pub established: u32,
    /// TCP after a FIN (`IP_VS_TCP_S_FIN_WAIT`).
    pub fin: u32,
    /// TCP after a reset (`IP_VS_TCP_S_CLOSE`).
    pub closed: u32,
    /// UDP (`IP_VS_UDP_S_NORMAL`).
    pub udp: u32,
}

impl Timeouts {
    /// LVS's defaults.
    pub const DEFAULT: Self = Self { syn: 60, established: 900, fin: 120, closed: 10, udp: 300 };
}

/// How the data plane chooses a slot of a service's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Select {
    /// The next slot for each new flow: round robin.
    Cursor = 0,
    /// By a hash of the client's address.
    Source = 1,
    /// By a hash of the client's address and port.
    SourceAndPort = 2,
    /// By a hash of the virtual address.
    Destination = 3,
    /// The server with the fewest connections (`ip_vs_lc.c` in net/netfilter/ipvs). For this and
    /// those below, every server that takes new flows has one slot.
    LeastConnections = 4,
    /// The server with the fewest connections for its weight (`ip_vs_wlc.c`).
    WeightedLeastConnections = 5,
    /// The same, with the new connection counted (`ip_vs_sed.c`).
    ShortestExpectedDelay = 6,
    /// A server without connections, else as [`Self::ShortestExpectedDelay`] (`ip_vs_nq.c`).
    NeverQueue = 7,
}

impl Select {
    /// Whether servers are compared, instead of a slot being taken.
    #[inline(always)]
    pub const fn compares(select: u8) -> bool {
        select >= Self::LeastConnections as u8
    }
}

/// Bits of [`Service::flags`].
pub mod service_flags {
    /// The entry stands for several services of one address: fragments cannot be told apart.
    pub const AMBIGUOUS: u8 = 1;
    /// Its servers' live connections are counted.
    pub const COUNTED: u8 = 2;
    /// Some of its servers have a limit of connections. Only with [`COUNTED`].
    pub const LIMITED: u8 = 4;
}

/// Which (address, port, protocol) are NAT servers: one bit each, by hash. A packet whose source
/// is not marked is nobody's reply, and costs no flow look-up.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(8))]
pub struct Sources {
    /// The bits; see [`Sources::bit`].
    pub words: [u64; Self::WORDS],
}

impl Sources {
    const WORDS: usize = 1024;

    /// No NAT server at all.
    pub const EMPTY: Self = Self { words: [0; Self::WORDS] };

    /// The word and the mask of an end's bit.
    #[inline(always)]
    pub fn bit(address: &Address, port: u16, protocol: u8) -> (usize, u64) {
        let hash = crate::datapath::hash::endpoint(address, port, protocol);
        ((hash as usize >> 6) % Self::WORDS, 1 << (hash & 63))
    }

    /// Marks a server's end, and port 0 of it for fragments, which show no port.
    pub fn insert(&mut self, address: &Address, port: u16, protocol: u8) {
        for port in [port, 0] {
            let (word, mask) = Self::bit(address, port, protocol);
            self.words[word] |= mask;
        }
    }

    /// Whether an end is marked; never false for one that was inserted.
    #[inline(always)]
    pub fn contains(&self, address: &Address, port: u16, protocol: u8) -> bool {
        let (word, mask) = Self::bit(address, port, protocol);
        self.words[word] & mask != 0
    }
}

impl core::fmt::Debug for Sources {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let marked: u32 = self.words.iter().map(|word| word.count_ones()).sum();
        f.debug_struct("Sources").field("marked", &marked).finish_non_exhaustive()
    }
}
