use super::{Family, TTL, icmp_header};
use crate::abi::{Address, FlowKey, protocol};
use crate::datapath::Frame;
use crate::datapath::packet::{End, Fragment, Packet};
use crate::reason::Reason;
use crate::wire::checksum::Sum;
use crate::wire::ipv4::{self, Ipv4};
use crate::wire::{be, ethernet, icmp, raw};

/// IPv4.
#[derive(Debug)]
pub(in crate::datapath) enum V4 {}

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
