//! Building a frame from what is to be in it.

use super::sum::{checksum, octets, with_pseudo_header};
use lb_common::abi::protocol;
use lb_common::wire::{ethernet, ipv4, ipv6};
use std::net::IpAddr;

/// A frame to be built. Ports and all other numbers are in the host's order.
#[derive(Clone, Debug)]
pub struct Craft {
    /// Destination and source on the link.
    pub macs: [[u8; 6]; 2],
    /// TPID and TCI, outermost first.
    pub tags: Vec<[u16; 2]>,
    /// Sender.
    pub source: IpAddr,
    /// Receiver, of the same family.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// IPv4 options, a multiple of 4 bytes.
    pub options: Vec<u8>,
    /// IPv6 extension headers, each a kind and what follows its first two bytes.
    pub extensions: Vec<(u8, Vec<u8>)>,
    /// Offset in units of 8 bytes, and whether more fragments follow.
    pub fragment: Option<(u16, bool)>,
    /// What follows the IP header.
    pub payload: Payload,
    /// What follows the packet in the frame.
    pub padding: usize,
}

/// What an IP packet carries.
#[derive(Clone, Debug)]
pub enum Payload {
    /// Source and destination port, flags, options (a multiple of 4 bytes) and data.
    Tcp([u16; 2], u8, Vec<u8>, Vec<u8>),
    /// Source and destination port, whether there is a checksum, and data.
    Udp([u16; 2], bool, Vec<u8>),
    /// ICMP or ICMPv6, as the family is: kind, code, the other four header bytes and data.
    Icmp(u8, u8, [u8; 4], Vec<u8>),
    /// Any protocol with any bytes.
    Other(u8, Vec<u8>),
}

impl Craft {
    /// A plain packet.
    pub fn new(source: IpAddr, destination: IpAddr, payload: Payload) -> Self {
        Self {
            macs: [[2, 0xd1, 0, 0, 0, 1], [2, 0xc1, 0, 0, 0, 1]],
            tags: Vec::new(),
            source,
            destination,
            ttl: 64,
            traffic_class: 0,
            options: Vec::new(),
            extensions: Vec::new(),
            fragment: None,
            payload,
            padding: 0,
        }
    }

    /// The frame's bytes, with right lengths and checksums.
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = self.macs.concat();
        for [tpid, tci] in &self.tags {
            frame.extend([tpid.to_be_bytes(), tci.to_be_bytes()].concat());
        }
        let ethertype = if self.source.is_ipv4() { ethernet::IPV4 } else { ethernet::IPV6 };
        frame.extend(ethertype.to_be_bytes());
        frame.extend(self.packet());
        frame.extend(vec![0xa5; self.padding]);
        frame
    }

    /// The IP packet alone.
    pub fn packet(&self) -> Vec<u8> {
        let message = self.message();
        let mut packet = if self.source.is_ipv4() {
            self.ipv4_header(message.len())
        } else {
            self.ipv6_headers(message.len())
        };
        packet.extend(message);
        packet
    }

    fn ipv4_header(&self, payload: usize) -> Vec<u8> {
        let length = ipv4::HEADER + self.options.len();
        let (offset, more) = self.fragment.unwrap_or((0, false));
        let fragment = offset | if more { ipv4::MORE_FRAGMENTS } else { 0 };
        let mut header = vec![0x40 | (length / 4) as u8, self.traffic_class];
        header.extend(((length + payload) as u16).to_be_bytes());
        header.extend([0x12, 0x34]);
        header.extend(fragment.to_be_bytes());
        header.extend([self.ttl, self.protocol(), 0, 0]);
        header.extend(octets(self.source));
        header.extend(octets(self.destination));
        header.extend(&self.options);
        let sum = checksum(&[&header]).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        header
    }

    fn ipv6_headers(&self, payload: usize) -> Vec<u8> {
        let mut extensions = self.extensions.clone();
        if let Some((offset, more)) = self.fragment {
            let offset = (offset << 3 | u16::from(more)).to_be_bytes();
            extensions.push((ipv6::FRAGMENT, [&offset[..], &[0, 0, 0x12, 0x34]].concat()));
        }
        let kinds: Vec<u8> = extensions.iter().map(|(kind, _)| *kind).collect();
        let mut following = kinds.into_iter().chain([self.protocol()]);
        let first = following.next().unwrap_or_default();
        let mut headers = Vec::new();
        for ((kind, content), next) in extensions.iter().zip(following) {
            let units = (content.len() + 2).div_ceil(8);
            let length = if *kind == ipv6::FRAGMENT { 0 } else { units as u8 - 1 };
            headers.extend([next, length]);
            headers.extend(content);
            headers.resize(headers.len().next_multiple_of(8), 0);
        }
        let mut packet =
            (6_u32 << 28 | u32::from(self.traffic_class) << 20 | 0x12345).to_be_bytes().to_vec();
        packet.extend(((headers.len() + payload) as u16).to_be_bytes());
        packet.extend([first, self.ttl]);
        packet.extend(octets(self.source));
        packet.extend(octets(self.destination));
        packet.extend(headers);
        packet
    }

    fn message(&self) -> Vec<u8> {
        match &self.payload {
            Payload::Tcp([source, destination], flags, options, data) => {
                let mut message = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                message.extend([0, 0, 0x10, 1, 0, 0, 0x20, 2]);
                message.extend([(((20 + options.len()) / 4) << 4) as u8, *flags, 0xff, 0xff]);
                message.extend([0; 4]);
                message.extend(options);
                message.extend(data);
                self.summed(message, 16)
            }
            Payload::Udp([source, destination], summed, data) => {
                let mut message = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                message.extend((8 + data.len() as u16).to_be_bytes());
                message.extend([0; 2]);
                message.extend(data);
                if *summed { self.summed(message, 6) } else { message }
            }
            Payload::Icmp(kind, code, rest, data) => {
                let mut message = vec![*kind, *code, 0, 0];
                message.extend(rest);
                message.extend(data);
                self.summed(message, 2)
            }
            Payload::Other(_, data) => data.clone(),
        }
    }

    /// Writes the checksum at an offset.
    fn summed(&self, mut message: Vec<u8>, at: usize) -> Vec<u8> {
        let protocol = self.protocol();
        let sum = match protocol {
            protocol::ICMP => checksum(&[&message]),
            _ => with_pseudo_header(self.source, self.destination, protocol, &message),
        };
        let sum = if sum == 0 && protocol == protocol::UDP { 0xffff } else { sum };
        message[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        message
    }

    fn protocol(&self) -> u8 {
        match self.payload {
            Payload::Tcp(..) => protocol::TCP,
            Payload::Udp(..) => protocol::UDP,
            Payload::Icmp(..) if self.source.is_ipv4() => protocol::ICMP,
            Payload::Icmp(..) => protocol::ICMPV6,
            Payload::Other(protocol, _) => protocol,
        }
    }
}
