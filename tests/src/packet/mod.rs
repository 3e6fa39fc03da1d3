//! Packets as text: layers from the outside in, separated by ` / `.
//!
//! ```text
//! eth router > lb / vlan 100 / ip4 198.51.100.7 > web ttl 64 / tcp 40000 > 80 S / data 10
//! ```
//!
//! Lengths, protocol numbers and checksums are filled in, unless a field says otherwise: that is
//! how a packet becomes wrong. Checksums are etherparse's, so nothing here shares code with the
//! data plane.
//!
//! | Layer | Fields, all but the first two ends optional |
//! | --- | --- |
//! | `eth A > B` | `type N` |
//! | `vlan ID`, `svlan ID` | `prio N` `type N` |
//! | `ip4 A > B` | `ttl N` (64) `tos N` `id N` (0) `nodf` `mf` `off N` (units of 8 bytes) `proto N` `len N` `ihl N` `version N` `opts HEX` `sum S` |
//! | `ip6 A > B` | `ttl N` (64) `tos N` `label N` `next N` `len N` `version N` |
//! | `ip A > B` | either of both: the fields that both have |
//! | `hopopts`, `dstopts`, `routing` | `words N` (units of 8 bytes beyond the first) `left N` `next N` |
//! | `frag N` (units of 8 bytes) | `more` `id N` `next N` |
//! | `tcp P > P FLAGS` (`SAFRPU`, `-`) | `seq N` `ack N` `win N` `opts HEX` `doff N` `sum S` |
//! | `udp P > P` | `len N` `sum S` |
//! | `icmp KIND` (a name or `type/code`) | `mtu N` `quoting N` (what follows is cut after N bytes) `sum S` |
//! | `data N`, `bytes HEX` | |
//! | `pad N`, `cut N` | last of all: zeroes up to N bytes; the frame ends after N bytes |
//!
//! A checksum `S` is a number, or `off N`: the right one plus N.

mod build;
mod fields;
mod hosts;
mod layer;
mod parse;
mod show;

pub(crate) use fields::Fields;
pub(crate) use hosts::parse_mac;
pub use hosts::{Family, Host, Hosts, Mac};
pub use layer::Packet;
pub use show::{difference, show};
