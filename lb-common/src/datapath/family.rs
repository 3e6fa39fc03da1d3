//! What differs between IPv4 and IPv6; the rest of the data plane is written once.

use super::Frame;
use super::packet::{End, Fragment, Packet};
use crate::abi::{Address, FlowKey, protocol};
use crate::reason::Reason;
use crate::wire::checksum::Sum;
use crate::wire::ipv4::{self, Ipv4};
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::{Wire, be, ethernet, icmp, raw};

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
/// How many IPv6 extension headers are looked through.
const MAX_EXTENSIONS: usize = 6;

/// IPv4.
#[derive(Debug)]
pub(super) enum V4 {}

impl Family for V4 {
    type Header = Ipv4;
    const ETHERTYPE: u16 = ethernet::IPV4;
    const ICMP: u8 = protocol::ICMP;
    const ENCAPSULATED: u8 = protocol::IPIP;
    const ICMP_PSEUDO_HEADER: bool = false;

    #[inline(always)]
    fn parse<F: Frame, const QUOTED: bool>(
        frame: &mut F,
        packet: &mut Packet,
    ) -> Result<(), Reason> {
        let l3 = packet.l3;
        let frame_len = frame.length();
        let header: &Ipv4 = frame.at(l3)?;
        let header_len = ((header.version_length & 0xf) as usize) << 2;
        let length = header.total_length.get() as usize;
        if header.version_length >> 4 != 4
            || header_len < Self::HEADER
            || length < header_len
            || (!QUOTED && l3 + length > frame_len)
        {
            return Err(Reason::BadHeader);
        }
        let fragment = header.fragment.get();
        *packet = Packet {
            key: FlowKey::of_addresses(
                Address::from_v4(header.source),
                Address::from_v4(header.destination),
                header.protocol,
            ),
            l3,
            payload: l3 + header_len,
            length,
            ttl: header.ttl,
            traffic_class: header.traffic_class,
            tcp_flags: 0,
            fragment: Fragment::new(
                fragment & ipv4::FRAGMENT_OFFSET,
                (fragment & ipv4::MORE_FRAGMENTS) >> ipv4::MORE_FRAGMENTS.trailing_zeros(),
            ),
        };
        Ok(())
    }

    #[inline(always)]
    fn set_address(header: &mut Ipv4, end: End, address: &Address, change: Sum) {
        match end {
            End::Source => header.source = address.v4_octets(),
            End::Destination => header.destination = address.v4_octets(),
        }
        header.checksum = raw::U16::new(change.update(header.checksum.get()));
    }

    #[inline(always)]
    fn decrement_ttl(header: &mut Ipv4) {
        let word = |ttl| u16::from_ne_bytes([ttl, header.protocol]);
        let change = Sum::ZERO.replace(word(header.ttl), word(header.ttl - 1));
        header.checksum = raw::U16::new(change.update(header.checksum.get()));
        header.ttl -= 1;
    }

    #[inline(always)]
    fn header(
        source: &Address,
        destination: &Address,
        protocol: u8,
        traffic_class: u8,
        payload: u16,
    ) -> Ipv4 {
        let mut header = Ipv4 {
            version_length: ipv4::VERSION_LENGTH,
            traffic_class,
            total_length: be::U16::new(Self::HEADER as u16 + payload),
            // Unique only among packets that may be fragmented (RFC 6864, section 4.1).
            id: be::U16::ZERO,
            fragment: be::U16::new(ipv4::DONT_FRAGMENT),
            ttl: TTL,
            protocol,
            checksum: raw::U16::ZERO,
            source: source.v4_octets(),
            destination: destination.v4_octets(),
        };
        header.checksum = raw::U16::new(header.full_checksum());
        header
    }

    #[inline(always)]
    fn is_icmp_error(kind: u8) -> bool {
        matches!(
            kind,
            icmp::v4::UNREACHABLE | icmp::v4::TIME_EXCEEDED | icmp::v4::PARAMETER_PROBLEM
        )
    }

    #[inline(always)]
    fn icmp_error(reason: Reason, mtu: u32) -> icmp::Icmp {
        match reason {
            Reason::TooBig => {
                icmp_header(icmp::v4::UNREACHABLE, icmp::v4::FRAGMENTATION_NEEDED, mtu)
            }
            Reason::TtlExpired => icmp_header(icmp::v4::TIME_EXCEEDED, 0, 0),
            _ => icmp_header(icmp::v4::UNREACHABLE, icmp::v4::PORT, 0),
        }
    }

    #[inline(always)]
    fn is_bogus_source(address: &Address) -> bool {
        let [first, ..] = address.v4_octets();
        // "This network", loopback, multicast and reserved (RFC 1122, section 3.2.1.3).
        first == 0 || first == 127 || first >= 224
    }
}

/// IPv6.
#[derive(Debug)]
pub(super) enum V6 {}

impl Family for V6 {
    type Header = Ipv6;
    const ETHERTYPE: u16 = ethernet::IPV6;
    const ICMP: u8 = protocol::ICMPV6;
    const ENCAPSULATED: u8 = protocol::IPV6;
    const ICMP_PSEUDO_HEADER: bool = true;

    #[inline(always)]
    fn parse<F: Frame, const QUOTED: bool>(
        frame: &mut F,
        packet: &mut Packet,
    ) -> Result<(), Reason> {
        let l3 = packet.l3;
        let frame_len = frame.length();
        let header: &Ipv6 = frame.at(l3)?;
        let word = header.version_class_flow.get();
        let length = Self::HEADER + header.payload_length.get() as usize;
        if word >> 28 != 6 || (!QUOTED && l3 + length > frame_len) {
            return Err(Reason::BadHeader);
        }
        // On the wire, IPv4-mapped addresses are not IPv4's, whose services and flows have them as
        // keys.
        if Address::from_v6(header.destination).is_v4() {
            return Err(Reason::NotForService);
        }
        *packet = Packet {
            key: FlowKey::of_addresses(
                Address::from_v6(header.source),
                Address::from_v6(header.destination),
                header.next_header,
            ),
            l3,
            payload: l3 + Self::HEADER,
            length,
            fragment: Fragment::WHOLE,
            ttl: header.hop_limit,
            traffic_class: (word >> 20) as u8,
            tcp_flags: 0,
        };
        if is_extension(packet.protocol()) {
            look_through(frame, packet)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn set_address(header: &mut Ipv6, end: End, address: &Address, _change: Sum) {
        match end {
            End::Source => header.source = address.octets(),
            End::Destination => header.destination = address.octets(),
        }
    }

    #[inline(always)]
    fn decrement_ttl(header: &mut Ipv6) {
        header.hop_limit -= 1;
    }

    #[inline(always)]
    fn header(
        source: &Address,
        destination: &Address,
        protocol: u8,
        traffic_class: u8,
        payload: u16,
    ) -> Ipv6 {
        Ipv6 {
            version_class_flow: be::U32::new(6 << 28 | (traffic_class as u32) << 20),
            payload_length: be::U16::new(payload),
            next_header: protocol,
            hop_limit: TTL,
            source: source.octets(),
            destination: destination.octets(),
        }
    }

    #[inline(always)]
    fn is_icmp_error(kind: u8) -> bool {
        kind < icmp::v6::FIRST_QUERY
    }

    #[inline(always)]
    fn icmp_error(reason: Reason, mtu: u32) -> icmp::Icmp {
        match reason {
            Reason::TooBig => icmp_header(icmp::v6::TOO_BIG, 0, mtu),
            Reason::TtlExpired => icmp_header(icmp::v6::TIME_EXCEEDED, 0, 0),
            _ => icmp_header(icmp::v6::UNREACHABLE, icmp::v6::PORT, 0),
        }
    }

    #[inline(always)]
    fn is_bogus_source(address: &Address) -> bool {
        let [high, low] = address.words();
        let is_loopback_or_unspecified = high == 0 && u64::from_be(low) <= 1;
        is_loopback_or_unspecified || address.is_v4() || address.octets()[0] == 0xff
    }
}

/// Steps over extension headers, up to the transport header or, in a later fragment, up to what
/// its fragment header names.
#[inline(never)]
fn look_through<F: Frame>(frame: &mut F, packet: &mut Packet) -> Result<(), Reason> {
    for _ in 0..MAX_EXTENSIONS {
        step_over(frame, packet)?;
        if !is_extension(packet.protocol()) || packet.fragment.is_later() {
            return Ok(());
        }
    }
    Err(Reason::TooManyExtensions)
}

#[inline(always)]
fn step_over<F: Frame>(frame: &mut F, packet: &mut Packet) -> Result<(), Reason> {
    let kind = packet.protocol();
    let header: &ipv6::Extension = frame.at(packet.payload)?;
    let [first, second, ..] = header.content;
    packet.key.protocol = header.next_header;
    if kind == ipv6::FRAGMENT {
        // Offset in units of 8 bytes, then in the lowest bit whether more follow.
        let offset_more = u16::from_be_bytes([first, second]);
        packet.fragment = Fragment::new(offset_more >> 3, offset_more & 1);
        packet.payload += size_of::<ipv6::Extension>();
        return Ok(());
    }
    let segments_left = second;
    if kind == ipv6::ROUTING && segments_left != 0 {
        return Err(Reason::SourceRouted);
    }
    packet.payload += (header.length as usize + 1) << 3;
    Ok(())
}

#[inline(always)]
fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        ipv6::HOP_BY_HOP | ipv6::ROUTING | ipv6::FRAGMENT | ipv6::DESTINATION_OPTIONS
    )
}

#[inline(always)]
fn icmp_header(kind: u8, code: u8, mtu: u32) -> icmp::Icmp {
    icmp::Icmp { kind, code, checksum: raw::U16::ZERO, mtu: be::U32::new(mtu) }
}
