//! Every checksum of a frame, by an implementation that shares nothing with the data plane.

use std::net::IpAddr;

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, NetSlice, SlicedPacket};

/// Checks all checksums in a frame: IPv4 headers, TCP, UDP, ICMP and ICMPv6, the same of packets
/// inside tunnels, and the IPv4 header quoted in an ICMP error. Only whole datagrams have a
/// checksum: of fragments the headers are checked.
///
/// # Errors
/// What is wrong where. A frame that can't be parsed is wrong as well.
pub fn verify_checksums(frame: &[u8]) -> Result<(), String> {
    verify_packet(&SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?)
}

fn verify_packet(packet: &SlicedPacket<'_>) -> Result<(), String> {
    let (ip, from, to): (_, IpAddr, IpAddr) = match &packet.net {
        Some(NetSlice::Ipv4(v4)) => {
            verify_ipv4_header(v4.header().slice())?;
            (v4.payload(), v4.header().source_addr().into(), v4.header().destination_addr().into())
        }
        Some(NetSlice::Ipv6(v6)) => {
            (v6.payload(), v6.header().source_addr().into(), v6.header().destination_addr().into())
        }
        Some(NetSlice::Arp(_)) | None => return Ok(()),
    };
    if ip.fragmented {
        return Ok(());
    }
    let what = format!("from {from} to {to}");
    let payload = ip.payload;
    match ip.ip_number {
        IpNumber::IPV4 | IpNumber::IPV6 => {
            let inner = SlicedPacket::from_ip(payload)
                .map_err(|error| format!("packet inside the tunnel {what}: {error}"))?;
            verify_packet(&inner).map_err(|error| format!("inside the tunnel {what}: {error}"))
        }
        IpNumber::UDP => {
            let field = |at: usize| payload.get(at..at + 2).map(|field| [field[0], field[1]]);
            if field(4).map(u16::from_be_bytes).map(usize::from) != Some(payload.len()) {
                return Err(format!("UDP {what}: its length isn't that of the packet"));
            }
            match (field(6), from.is_ipv4()) {
                (Some([0, 0]), true) => Ok(()), // RFC 768: not computed by the sender
                (Some([0, 0]), false) => Err(format!("UDP {what}: no checksum (RFC 8200, 8.1)")),
                _ => expect_valid("UDP", &what, pseudo_header(from, to, 17, payload), payload),
            }
        }
        IpNumber::TCP => expect_valid("TCP", &what, pseudo_header(from, to, 6, payload), payload),
        IpNumber::IPV6_ICMP => {
            expect_valid("ICMPv6", &what, pseudo_header(from, to, 58, payload), payload)
        }
        IpNumber::ICMP => {
            expect_valid("ICMP", &what, Sum16BitWords::new(), payload)?;
            verify_quoted_header(payload).map_err(|error| format!("quoted in ICMP {what}: {error}"))
        }
        _ => Ok(()),
    }
}

/// The IPv4 header that an ICMP error (RFC 792) quotes after its own 8 bytes.
fn verify_quoted_header(icmp: &[u8]) -> Result<(), String> {
    const ERRORS: [u8; 4] = [3, 5, 11, 12];
    if !ERRORS.contains(&icmp[0]) {
        return Ok(());
    }
    let quoted = icmp.get(8..).unwrap_or_default();
    let length = quoted.first().map_or(0, |byte| usize::from(byte & 0xf) * 4);
    let header = quoted.get(..length.max(20)).ok_or("the header is cut")?;
    verify_ipv4_header(header)
}

fn verify_ipv4_header(header: &[u8]) -> Result<(), String> {
    let name =
        |at: usize| IpAddr::from([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let what = format!("from {} to {}", name(12), name(16));
    expect_valid("IPv4 header", &what, Sum16BitWords::new(), header)
}

/// RFC 9293, 3.1 and RFC 8200, 8.1.
fn pseudo_header(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Sum16BitWords {
    let sum = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            Sum16BitWords::new().add_4bytes(from.octets()).add_4bytes(to.octets())
        }
        (from, to) => Sum16BitWords::new().add_slice(&octets(from)).add_slice(&octets(to)),
    };
    sum.add_2bytes([0, protocol]).add_4bytes((payload.len() as u32).to_be_bytes())
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// A range that contains its own checksum sums up to all ones, the complement of zero.
fn expect_valid(name: &str, what: &str, sum: Sum16BitWords, range: &[u8]) -> Result<(), String> {
    match sum.add_slice(range).ones_complement() {
        0 => Ok(()),
        off => Err(format!("{name} {what}: checksum off by {:#06x}", off.swap_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn udp_v4() -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
            .udp(1000, 2000);
        let mut frame = Vec::new();
        builder.write(&mut frame, b"odd").unwrap();
        frame
    }

    fn tcp_v6() -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
            .single_vlan(5.try_into().unwrap())
            .ipv6([1; 16], [2; 16], 64)
            .tcp(1000, 2000, 7, 8);
        let mut frame = Vec::new();
        builder.write(&mut frame, b"payload").unwrap();
        frame
    }

    fn tunnelled(mut inner: Vec<u8>) -> Vec<u8> {
        let inner = inner.split_off(14);
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10; 4], [11; 4], 64);
        let mut frame = Vec::new();
        builder.write(&mut frame, IpNumber::IPV4, &inner).unwrap();
        frame
    }

    fn icmp_error(mut about: Vec<u8>) -> Vec<u8> {
        let about = about.split_off(14);
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4([10; 4], [11; 4], 64)
            .icmpv4_raw(3, 4, [0; 4]);
        let mut frame = Vec::new();
        builder.write(&mut frame, &about).unwrap();
        frame
    }

    #[test]
    fn good_frames_pass_even_when_padded() {
        for mut frame in [udp_v4(), tcp_v6(), tunnelled(udp_v4()), icmp_error(udp_v4())] {
            assert_eq!(verify_checksums(&frame), Ok(()));
            frame.extend([0xaa; 9]);
            assert_eq!(verify_checksums(&frame), Ok(()));
        }
    }

    #[test]
    fn any_flipped_bit_above_ethernet_is_found() {
        for (frame, header) in
            [(udp_v4(), 14), (tcp_v6(), 18), (tunnelled(udp_v4()), 14), (icmp_error(udp_v4()), 14)]
        {
            for bit in header * 8..frame.len() * 8 {
                let mut broken = frame.clone();
                broken[bit / 8] ^= 1 << (bit % 8);
                // In IPv6 no sum covers class, flow label and hop limit, and the next header only
                // where it names a protocol that has a sum.
                let uncovered = header == 18
                    && (matches!(bit / 8 - header, 1..=3 | 6 | 7)
                        || bit / 8 == header && bit % 8 < 4);
                if !uncovered {
                    assert!(verify_checksums(&broken).is_err(), "bit {bit} of {frame:02x?}");
                }
            }
        }
    }

    #[test]
    fn udp_may_go_without_over_ipv4() {
        let mut frame = udp_v4();
        frame[40..42].fill(0);
        assert_eq!(verify_checksums(&frame), Ok(()));
    }

    #[test]
    fn a_fragment_has_no_checksum_of_its_own() {
        let mut frame = udp_v4();
        frame[20] = 0x20; // more fragments
        frame[24..26].fill(0);
        let sum = Sum16BitWords::new().add_slice(&frame[14..34]).ones_complement();
        frame[24..26].copy_from_slice(&sum.to_ne_bytes());
        frame[43] ^= 1;
        assert_eq!(verify_checksums(&frame), Ok(()));
        frame[22] ^= 1;
        assert!(verify_checksums(&frame).unwrap_err().starts_with("IPv4 header"));
    }
}
