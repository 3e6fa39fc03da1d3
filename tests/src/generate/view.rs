//! Reading a packet straight from the standards (RFC 791, 8200, 768, 9293), for the generator and
//! the oracle. Shares nothing with the data plane's parser.

use std::net::IpAddr;

/// Where things are in a frame; offsets count from the frame's start.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The IP header.
    pub l3: usize,
    /// What follows the IP header and its extensions.
    pub l4: usize,
    /// The first byte behind the IP packet, or behind what is quoted of it.
    pub end: usize,
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// What is at `l4`.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Whether it is one fragment of several.
    pub fragment: bool,
}

impl View {
    /// Reads an Ethernet frame with up to two VLAN tags and an IP packet that is all there.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let mut at = 12;
        for _ in 0..2 {
            if matches!(word(frame, at)?, 0x8100 | 0x88a8) {
                at += 4;
            }
        }
        let view = Self::packet(frame, at + 2, frame.len(), false)?;
        let ethertype = if view.source.is_ipv4() { 0x0800 } else { 0x86dd };
        (word(frame, at)? == ethertype).then_some(view)
    }

    /// Reads the packet that an ICMP error quotes.
    pub fn quoted(&self, frame: &[u8]) -> Option<Self> {
        let quoted = Self::packet(frame, self.l4 + 8, self.end, true)?;
        (quoted.source.is_ipv4() == self.source.is_ipv4()).then_some(quoted)
    }

    /// Source and destination port, if they lie within the packet.
    pub fn ports(&self, frame: &[u8]) -> Option<[u16; 2]> {
        (self.l4 + 4 <= self.end).then_some([word(frame, self.l4)?, word(frame, self.l4 + 2)?])
    }

    fn packet(frame: &[u8], l3: usize, end: usize, quoted: bool) -> Option<Self> {
        let bytes = frame.get(l3..)?;
        let (mut view, length) = match bytes.first()? >> 4 {
            4 => Self::ipv4(bytes, l3)?,
            6 => Self::ipv6(bytes, l3)?,
            _ => return None,
        };
        if !quoted && l3 + length > end {
            return None;
        }
        // Of a quoted packet, length and checksum may be as some router left them:
        // only what is there counts.
        view.end = if quoted { end } else { l3 + length };
        Some(view)
    }

    fn ipv4(bytes: &[u8], l3: usize) -> Option<(Self, usize)> {
        let header: [u8; 20] = bytes.get(..20)?.try_into().ok()?;
        let (header_length, length) = (usize::from(header[0] & 15) * 4, word(bytes, 2)?.into());
        let view = Self {
            l3,
            l4: l3 + header_length,
            end: 0,
            source: <[u8; 4]>::try_from(&header[12..16]).ok()?.into(),
            destination: <[u8; 4]>::try_from(&header[16..20]).ok()?.into(),
            protocol: header[9],
            ttl: header[8],
            traffic_class: header[1],
            fragment: word(bytes, 6)? & 0x3fff != 0,
        };
        (header_length >= 20 && header_length <= length).then_some((view, length))
    }

    fn ipv6(bytes: &[u8], l3: usize) -> Option<(Self, usize)> {
        let header: [u8; 40] = bytes.get(..40)?.try_into().ok()?;
        let (mut next, mut at, mut fragment) = (header[6], 40, false);
        while matches!(next, 0 | 43 | 44 | 60) {
            let extension: [u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
            let offset_more = u16::from_be_bytes([extension[2], extension[3]]) & 0xfff9;
            at += if next == 44 { 8 } else { 8 + 8 * usize::from(extension[1]) };
            let later = next == 44 && offset_more > 1;
            fragment |= next == 44 && offset_more != 0;
            next = extension[0];
            if later {
                break;
            }
        }
        let view = Self {
            l3,
            l4: l3 + at,
            end: 0,
            source: <[u8; 16]>::try_from(&header[8..24]).ok()?.into(),
            destination: <[u8; 16]>::try_from(&header[24..40]).ok()?.into(),
            protocol: next,
            ttl: header[7],
            traffic_class: header[0] << 4 | header[1] >> 4,
            fragment,
        };
        Some((view, 40 + usize::from(word(bytes, 4)?)))
    }
}

/// A number of 16 bits in network order.
pub fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
