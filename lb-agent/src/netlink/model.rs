use lb_common::abi::Tags;
use std::net::IpAddr;

/// How frames for an address leave this machine, as far as the kernel knows it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The address is this machine's own.
    Local,
    /// There is no way: in words, why not.
    Unreachable(String),
    /// Through a link.
    Via(Via),
}

/// The way to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// The interface that the route names, a VLAN interface perhaps.
    pub interface: String,
    /// Index of the interface whose driver sends: below all VLAN interfaces.
    pub ifindex: u32,
    /// Tags to send with.
    pub tags: Tags,
    /// The gateway, if the address is not on the link.
    pub gateway: Option<IpAddr>,
    /// The address that this machine would send from.
    pub source: Option<IpAddr>,
    /// Largest IP packet, in bytes: the route's, else the interface's.
    pub mtu: u32,
    /// Link-layer address of the interface.
    pub source_mac: [u8; 6],
    /// Link-layer address of the next hop (the gateway or the address itself), once known.
    pub next_hop_mac: Option<[u8; 6]>,
}
