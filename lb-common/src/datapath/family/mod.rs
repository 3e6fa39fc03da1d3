//! What differs between IPv4 and IPv6; the rest of the data plane is written once.

mod v4;
mod v6;

pub(super) use v4::V4;
pub(super) use v6::V6;

use super::Frame;
use super::packet::{End, Packet};
use crate::abi::Address;
use crate::reason::Reason;
use crate::wire::checksum::Sum;
use crate::wire::{Wire, be, icmp, raw};

/// An IP version.
pub(super) trait Family {
    /// Its header, without options or extensions.
    type Header: Wire;
    /// Length of [`Self::Header`].
    const HEADER: usize = size_of::<Self::Header>();
    /// EtherType.
    const ETHERTYPE: u16;
    /// Protocol number of its ICMP.
    const ICMP: u8;
    /// Protocol number of its packets inside another IP packet.
    const ENCAPSULATED: u8;
    /// Whether its ICMP checksum covers a pseudo-header.
    const ICMP_PSEUDO_HEADER: bool;

    /// Reads the header at `packet.l3` and looks through extensions; what it says goes into
    /// `packet`. A `QUOTED` header is one inside an ICMP error, whose packet need not be there as a
    /// whole.
    fn parse<F: Frame, const QUOTED: bool>(
        frame: &mut F,
        packet: &mut Packet,
    ) -> Result<(), Reason>;

    /// Writes one end's address. `change` holds its replacement, for the checksum.
    fn set_address(header: &mut Self::Header, end: End, address: &Address, change: Sum);

    /// Takes one from TTL or hop limit, which is not 0.
    fn decrement_ttl(header: &mut Self::Header);

    /// The header of a packet that this machine sends, not to be fragmented.
    fn header(
        source: &Address,
        destination: &Address,
        protocol: u8,
        traffic_class: u8,
        payload: u16,
    ) -> Self::Header;

    /// Whether an ICMP kind is an error about a packet.
    fn is_icmp_error(kind: u8) -> bool;

    /// Header of the ICMP error for a reason of [`crate::reason::Outcome::Answered`]; `mtu` is for
    /// [`Reason::TooBig`].
    fn icmp_error(reason: Reason, mtu: u32) -> icmp::Icmp;

    /// Whether an address can be no client's: such a source gets neither service nor answer.
    fn is_bogus_source(address: &Address) -> bool;
}

/// TTL of packets that this machine sends.
const TTL: u8 = 64;

#[inline(always)]
fn icmp_header(kind: u8, code: u8, mtu: u32) -> icmp::Icmp {
    icmp::Icmp { kind, code, checksum: raw::U16::ZERO, mtu: be::U32::new(mtu) }
}
