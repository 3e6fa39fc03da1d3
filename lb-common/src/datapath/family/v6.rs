use super::{Family, TTL, icmp_header};
use crate::abi::{Address, FlowKey, protocol};
use crate::datapath::Frame;
use crate::datapath::packet::{End, Fragment, Packet};
use crate::reason::Reason;
use crate::wire::checksum::Sum;
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::{be, ethernet, icmp};

/// How many extension headers are looked through.
const MAX_EXTENSIONS: usize = 6;

/// IPv6.
#[derive(Debug)]
pub(in crate::datapath) enum V6 {}

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
