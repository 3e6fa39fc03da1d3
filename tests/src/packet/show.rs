//! From bytes back to text, for people who look at a failure.

use super::Hosts;
use super::layer::{ICMP_KINDS, TCP_FLAGS, number};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A frame in the packet language, as far as it can be read. Checksums are not shown.
pub fn show(frame: &[u8], hosts: &Hosts) -> String {
    let mut shower = Shower { hosts, layers: Vec::new() };
    let rest = shower.ethernet(frame).unwrap_or(frame);
    if !rest.is_empty() {
        shower.layers.push(format!("data {}", rest.len()));
    }
    shower.layers.join(" / ")
}

/// Two frames side by side: both in words, and the lines of bytes that differ.
pub fn difference(expected: &[u8], actual: &[u8], hosts: &Hosts) -> String {
    const LINE: usize = 16;
    let mut text =
        format!("  expected: {}\n  actual:   {}\n", show(expected, hosts), show(actual, hosts));
    let line = |frame: &[u8], at: usize| {
        let bytes = frame.get(at..).unwrap_or_default();
        let bytes = &bytes[..bytes.len().min(LINE)];
        bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>()
    };
    for at in (0..expected.len().max(actual.len())).step_by(LINE) {
        let (left, right) = (line(expected, at), line(actual, at));
        if left != right {
            let _ = writeln!(text, "  {at:4}: - {left}\n        + {right}");
        }
    }
    text
}

struct Shower<'a> {
    hosts: &'a Hosts,
    layers: Vec<String>,
}

impl Shower<'_> {
    /// Reads a layer and all within; what is left. `None` where the bytes do not suffice.
    fn ethernet<'b>(&mut self, frame: &'b [u8]) -> Option<&'b [u8]> {
        let (destination, rest) = frame.split_first_chunk::<6>()?;
        let (source, rest) = rest.split_first_chunk::<6>()?;
        let (ethertype, mut rest) = rest.split_first_chunk::<2>()?;
        let name = |mac: &[u8; 6]| self.hosts.mac_name(*mac);
        self.layers.push(format!("eth {} > {}", name(source), name(destination)));
        let mut ethertype = u16::from_be_bytes(*ethertype);
        while let number::VLAN | number::SERVICE_VLAN = ethertype {
            let ([a, b, c, d], inner) = rest.split_first_chunk::<4>()?;
            let word = if ethertype == number::VLAN { "vlan" } else { "svlan" };
            self.layers.push(format!("{word} {}", u16::from_be_bytes([*a, *b])));
            ethertype = u16::from_be_bytes([*c, *d]);
            rest = inner;
        }
        Some(match ethertype {
            number::ETHERTYPE_IP4 => self.ip4(rest).unwrap_or(rest),
            number::ETHERTYPE_IP6 => self.ip6(rest).unwrap_or(rest),
            other => {
                self.layers.push(format!("type {other:#06x}"));
                rest
            }
        })
    }

    fn ip4<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let (header, _) = bytes.split_first_chunk::<20>()?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let end = |at: usize| {
            let octets = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            self.hosts.ip_name(Ipv4Addr::from(octets).into())
        };
        let mut text = format!("ip4 {} > {} ttl {}", end(12), end(16), header[8]);
        let _ = write!(text, " tos {:#x} id {} fragment {:#06x}", header[1], word(4), word(6));
        let _ = write!(text, " len {}", word(2));
        self.layers.push(text);
        let rest = bytes.get(usize::from(header[0] & 0xf) * 4..)?;
        if word(6) & 0x1fff != 0 {
            return Some(rest);
        }
        Some(self.transport(header[9], rest).unwrap_or(rest))
    }

    fn ip6<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let (header, rest) = bytes.split_first_chunk::<40>()?;
        let end = |at: usize| {
            let octets: Option<[u8; 16]> = header[at..at + 16].try_into().ok();
            octets.map(|octets| self.hosts.ip_name(IpAddr::from(Ipv6Addr::from(octets))))
        };
        let class = (header[0] << 4) | (header[1] >> 4);
        let length = u16::from_be_bytes([header[4], header[5]]);
        self.layers.push(format!(
            "ip6 {} > {} ttl {} tos {class:#x} len {length}",
            end(8)?,
            end(24)?,
            header[7]
        ));
        Some(self.transport(header[6], rest).unwrap_or(rest))
    }

    fn transport<'b>(&mut self, protocol: u8, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let port = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let header = match protocol {
            number::TCP => {
                let (flags, names) = (*bytes.get(13)?, TCP_FLAGS.chars().enumerate());
                let flags: String =
                    names.filter(|(bit, _)| flags & 1 << bit != 0).map(|(_, name)| name).collect();
                self.layers.push(format!("tcp {} > {} {flags}", port(0)?, port(2)?));
                usize::from(bytes.get(12)? >> 4) * 4
            }
            number::UDP => {
                self.layers.push(format!("udp {} > {} len {}", port(0)?, port(2)?, port(4)?));
                8
            }
            number::ICMP | number::ICMP6 => return self.icmp(protocol, bytes),
            number::IP4 => return self.ip4(bytes),
            number::IP6 => return self.ip6(bytes),
            other => {
                self.layers.push(format!("protocol {other}"));
                0
            }
        };
        bytes.get(header..)
    }

    fn icmp<'b>(&mut self, protocol: u8, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let (header, rest) = bytes.split_first_chunk::<8>()?;
        let kind = (header[0], header[1]);
        let is_v6 = protocol == number::ICMP6;
        let named =
            ICMP_KINDS.iter().find(|named| (if is_v6 { named.v6 } else { named.v4 }) == kind);
        let name =
            named.map_or_else(|| format!("{}/{}", kind.0, kind.1), |named| named.name.to_owned());
        self.layers.push(format!("icmp {name} mtu {}", u16::from_be_bytes([header[6], header[7]])));
        let quoted = if is_v6 { self.ip6(rest) } else { self.ip4(rest) };
        Some(quoted.unwrap_or(rest))
    }
}
