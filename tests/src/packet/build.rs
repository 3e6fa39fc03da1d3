//! From layers to bytes.

use super::Packet;
use super::layer::{Checksum, Icmp, Ip4, Ip6, Layer, Tcp, number};
use etherparse::checksum::Sum16BitWords;
use std::net::IpAddr;

impl Packet {
    /// The frame's bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut frame = build(&self.layers, None);
        if let Some(length) = self.pad {
            frame.resize(length.max(frame.len()), 0);
        }
        if let Some(length) = self.cut {
            frame.truncate(length);
        }
        frame
    }
}

/// Builds the layers, the first of which lies between the ends `ends`.
fn build(layers: &[Layer], ends: Option<(IpAddr, IpAddr)>) -> Vec<u8> {
    let Some((layer, rest)) = layers.split_first() else {
        return Vec::new();
    };
    let payload = build(rest, layer.ends().or(ends));
    let header = match layer {
        Layer::Ethernet { source, destination, ethertype } => {
            let ethertype = ethertype.unwrap_or_else(|| ethertype_of(rest.first()));
            [&destination[..], source, &ethertype.to_be_bytes()].concat()
        }
        Layer::Tag { tci, ethertype, .. } => {
            let ethertype = ethertype.unwrap_or_else(|| ethertype_of(rest.first()));
            [tci.to_be_bytes(), ethertype.to_be_bytes()].concat()
        }
        Layer::Ip4(ip) => ip4(ip, protocol_of(rest.first()), payload.len()),
        Layer::Ip6(ip) => ip6(ip, protocol_of(rest.first()), payload.len()),
        Layer::Extension(extension) => {
            let next = extension.next.unwrap_or_else(|| protocol_of(rest.first()));
            [&[next, extension.length][..], &extension.content].concat()
        }
        Layer::Tcp(header) => tcp(header, &payload, ends),
        Layer::Udp { source, destination, length, sum } => {
            let length = length.unwrap_or(8 + payload.len() as u16);
            let mut header =
                [source.to_be_bytes(), destination.to_be_bytes(), length.to_be_bytes(), [0; 2]]
                    .concat();
            let right = transport_sum(number::UDP, &header, &payload, ends);
            // 0 would mean that there is none (RFC 768).
            put(&mut header, 6, sum.over(if right == 0 { 0xffff } else { right }));
            header
        }
        Layer::Icmp(header) => return icmp(header, payload, ends),
        Layer::Data(bytes) => bytes.clone(),
    };
    [header, payload].concat()
}

fn ethertype_of(layer: Option<&Layer>) -> u16 {
    match layer {
        Some(Layer::Tag { tpid, .. }) => *tpid,
        Some(Layer::Ip6(_)) => number::ETHERTYPE_IP6,
        _ => number::ETHERTYPE_IP4,
    }
}

fn protocol_of(layer: Option<&Layer>) -> u8 {
    match layer {
        Some(Layer::Ip4(_)) => number::IP4,
        Some(Layer::Ip6(_)) => number::IP6,
        Some(Layer::Extension(extension)) => extension.kind,
        Some(Layer::Tcp(_)) => number::TCP,
        Some(Layer::Udp { .. }) => number::UDP,
        Some(Layer::Icmp(icmp)) if icmp.is_v6 => number::ICMP6,
        Some(Layer::Icmp(_)) => number::ICMP,
        _ => number::NO_NEXT,
    }
}

fn ip4(ip: &Ip4, protocol: u8, payload: usize) -> Vec<u8> {
    let own_length = 20 + ip.options.len();
    let ihl = ip.ihl.unwrap_or((own_length / 4) as u8);
    let length = ip.length.unwrap_or((own_length + payload) as u16);
    let mut header = vec![ip.version << 4 | ihl, ip.tos];
    for word in [length, ip.id, ip.fragment] {
        header.extend(word.to_be_bytes());
    }
    header.extend([ip.ttl, ip.protocol.unwrap_or(protocol), 0, 0]);
    header.extend(ip.source.octets());
    header.extend(ip.destination.octets());
    header.extend(&ip.options);
    let right = checksum(Sum16BitWords::new().add_slice(&header));
    put(&mut header, 10, ip.sum.over(right));
    header
}

fn ip6(ip: &Ip6, next: u8, payload: usize) -> Vec<u8> {
    let word = u32::from(ip.version) << 28 | u32::from(ip.class) << 20 | ip.label;
    let mut header = word.to_be_bytes().to_vec();
    header.extend(ip.length.unwrap_or(payload as u16).to_be_bytes());
    header.extend([ip.next.unwrap_or(next), ip.hop_limit]);
    header.extend(ip.source.octets());
    header.extend(ip.destination.octets());
    header
}

fn tcp(tcp: &Tcp, payload: &[u8], ends: Option<(IpAddr, IpAddr)>) -> Vec<u8> {
    let offset = tcp.offset.unwrap_or((5 + tcp.options.len() / 4) as u8);
    let mut header = [tcp.source.to_be_bytes(), tcp.destination.to_be_bytes()].concat();
    header.extend(tcp.sequence.to_be_bytes());
    header.extend(tcp.acknowledgement.to_be_bytes());
    header.extend([offset << 4, tcp.flags]);
    header.extend(tcp.window.to_be_bytes());
    header.extend([0; 4]);
    header.extend(&tcp.options);
    let right = transport_sum(number::TCP, &header, payload, ends);
    put(&mut header, 16, tcp.sum.over(right));
    header
}

fn icmp(icmp: &Icmp, mut payload: Vec<u8>, ends: Option<(IpAddr, IpAddr)>) -> Vec<u8> {
    payload.truncate(icmp.quoting.unwrap_or(payload.len()));
    let mut header = vec![icmp.kind, icmp.code, 0, 0];
    header.extend(icmp.rest.to_be_bytes());
    let right = if icmp.is_v6 {
        transport_sum(number::ICMP6, &header, &payload, ends)
    } else {
        checksum(Sum16BitWords::new().add_slice(&header).add_slice(&payload))
    };
    put(&mut header, 2, icmp.sum.over(right));
    [header, payload].concat()
}

/// The checksum over pseudo-header, header (of even length) and payload (RFC 9293, section 3.1 and
/// RFC 8200, section 8.1).
fn transport_sum(
    protocol: u8,
    header: &[u8],
    payload: &[u8],
    ends: Option<(IpAddr, IpAddr)>,
) -> u16 {
    let length = (header.len() + payload.len()) as u32;
    let sum = match ends {
        Some((IpAddr::V4(source), IpAddr::V4(destination))) => {
            Sum16BitWords::new().add_4bytes(source.octets()).add_4bytes(destination.octets())
        }
        Some((IpAddr::V6(source), IpAddr::V6(destination))) => {
            Sum16BitWords::new().add_16bytes(source.octets()).add_16bytes(destination.octets())
        }
        _ => Sum16BitWords::new(),
    };
    let sum = sum.add_2bytes([0, protocol]).add_4bytes(length.to_be_bytes());
    checksum(sum.add_slice(header).add_slice(payload))
}

/// As a number, so in network order in the field.
fn checksum(sum: Sum16BitWords) -> u16 {
    sum.ones_complement().to_be()
}

impl Checksum {
    fn over(self, right: u16) -> u16 {
        match self {
            Self::Right => right,
            Self::Value(value) => value,
            Self::Off(by) => {
                let (sum, carry) = right.overflowing_add(by);
                sum + u16::from(carry)
            }
        }
    }
}

fn put(header: &mut [u8], at: usize, value: u16) {
    header[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
