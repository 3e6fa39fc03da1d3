use super::Mac;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A frame described by its layers, from the outside in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub(super) layers: Vec<Layer>,
    /// Zeroes are added up to this length.
    pub(super) pad: Option<usize>,
    /// The frame ends after so many bytes.
    pub(super) cut: Option<usize>,
}

/// One layer. What is `None` follows from the other layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Ethernet { source: Mac, destination: Mac, ethertype: Option<u16> },
    Tag { tpid: u16, tci: u16, ethertype: Option<u16> },
    Ip4(Ip4),
    Ip6(Ip6),
    Extension(Extension),
    Tcp(Tcp),
    Udp { source: u16, destination: u16, length: Option<u16>, sum: Checksum },
    Icmp(Icmp),
    Data(Vec<u8>),
}

/// What stands in a checksum's field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Checksum {
    #[default]
    Right,
    Value(u16),
    /// The right one plus this, in one's complement.
    Off(u16),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ip4 {
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) ttl: u8,
    pub(super) tos: u8,
    pub(super) id: u16,
    /// Flags and offset as on the wire.
    pub(super) fragment: u16,
    pub(super) protocol: Option<u8>,
    pub(super) length: Option<u16>,
    /// Header length in words.
    pub(super) ihl: Option<u8>,
    pub(super) version: u8,
    pub(super) options: Vec<u8>,
    pub(super) sum: Checksum,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ip6 {
    pub(super) source: Ipv6Addr,
    pub(super) destination: Ipv6Addr,
    pub(super) hop_limit: u8,
    pub(super) class: u8,
    pub(super) label: u32,
    pub(super) next: Option<u8>,
    pub(super) length: Option<u16>,
    pub(super) version: u8,
}

/// An IPv6 extension header: `content` is what stands behind its first two bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) kind: u8,
    pub(super) next: Option<u8>,
    pub(super) length: u8,
    pub(super) content: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tcp {
    pub(super) source: u16,
    pub(super) destination: u16,
    pub(super) flags: u8,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) window: u16,
    /// Header length in words.
    pub(super) offset: Option<u8>,
    pub(super) options: Vec<u8>,
    pub(super) sum: Checksum,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Icmp {
    pub(super) is_v6: bool,
    pub(super) kind: u8,
    pub(super) code: u8,
    /// The second word of the header.
    pub(super) rest: u32,
    /// How much is left of what follows.
    pub(super) quoting: Option<usize>,
    pub(super) sum: Checksum,
}

/// Flags and their letters, from bit 0 on.
pub(super) const TCP_FLAGS: &str = "FSRPAUEC";

/// An ICMP message by its name: type and code in both families.
pub(super) struct IcmpKind {
    pub(super) name: &'static str,
    pub(super) v4: (u8, u8),
    pub(super) v6: (u8, u8),
}

/// The messages that have names.
pub(super) const ICMP_KINDS: &[IcmpKind] = &[
    IcmpKind { name: "port-unreachable", v4: (3, 3), v6: (1, 4) },
    IcmpKind { name: "host-unreachable", v4: (3, 1), v6: (1, 3) },
    IcmpKind { name: "too-big", v4: (3, 4), v6: (2, 0) },
    IcmpKind { name: "time-exceeded", v4: (11, 0), v6: (3, 0) },
    IcmpKind { name: "parameter-problem", v4: (12, 0), v6: (4, 0) },
    IcmpKind { name: "echo-request", v4: (8, 0), v6: (128, 0) },
    IcmpKind { name: "echo-reply", v4: (0, 0), v6: (129, 0) },
    IcmpKind { name: "redirect", v4: (5, 1), v6: (137, 0) },
];

/// Numbers of the layers in the headers in front of them.
pub(super) mod number {
    pub(crate) const ETHERTYPE_IP4: u16 = 0x0800;
    pub(crate) const ETHERTYPE_IP6: u16 = 0x86dd;
    pub(crate) const VLAN: u16 = 0x8100;
    pub(crate) const SERVICE_VLAN: u16 = 0x88a8;
    pub(crate) const HOPOPTS: u8 = 0;
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IP4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IP6: u8 = 41;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const ICMP6: u8 = 58;
    pub(crate) const NO_NEXT: u8 = 59;
    pub(crate) const DSTOPTS: u8 = 60;
}

impl Layer {
    /// Source and destination, if this is an IP header.
    pub(super) fn ends(&self) -> Option<(IpAddr, IpAddr)> {
        match self {
            Self::Ip4(ip) => Some((ip.source.into(), ip.destination.into())),
            Self::Ip6(ip) => Some((ip.source.into(), ip.destination.into())),
            _ => None,
        }
    }
}
