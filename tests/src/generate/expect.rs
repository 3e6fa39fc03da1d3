//! One frame that would be right, to the last byte. Checksums are held to this: what was right is
//! right, and what was wrong is wrong by as much, so that the receiver notices.

use super::sum::{checksum, octets, with_pseudo_header};
use super::view::{View, word};
use crate::dataplane::{Action, INGRESS, Output};
use lb_common::abi::{NextHop, Server, protocol};
use std::net::IpAddr;

/// What should become of a packet.
pub(super) struct Expected<'a> {
    /// The packet as it came.
    pub(super) view: View,
    /// Where it goes.
    pub(super) hop: &'a NextHop,
    /// The server at the tunnel's end, if there is one.
    pub(super) tunnel: Option<&'a Server>,
    /// What is rewritten, apart from TTL or hop limit.
    pub(super) changes: Vec<Change>,
}

/// A rewritten field, by an offset in the frame as it came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// Source address of the IP header there.
    Source(usize, IpAddr),
    /// Destination address of the IP header there.
    Destination(usize, IpAddr),
    /// A port.
    Port(usize, u16),
    /// A checksum.
    Sum(Sum),
}

/// A checksum: where it is and what it covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    field: usize,
    from: usize,
    to: usize,
    pseudo_header: Option<u8>,
    optional: bool,
}

impl Sum {
    /// Of TCP or UDP.
    pub(super) fn transport(view: &View) -> Self {
        let is_udp = view.protocol == protocol::UDP;
        Self {
            field: view.l4 + if is_udp { 6 } else { 16 },
            from: view.l4,
            to: view.end,
            pseudo_header: Some(view.protocol),
            optional: is_udp,
        }
    }

    /// Of ICMP or ICMPv6.
    pub(super) fn icmp(view: &View) -> Self {
        let pseudo_header = view.source.is_ipv6().then_some(protocol::ICMPV6);
        let (field, from, to) = (view.l4 + 2, view.l4, view.end);
        Self { field, from, to, pseudo_header, optional: false }
    }

    /// Of the IP header, if it has one.
    pub(super) fn header(view: &View) -> Option<Self> {
        let (field, from, to) = (view.l3 + 10, view.l3, view.l4);
        let sum = Self { field, from, to, pseudo_header: None, optional: false };
        view.source.is_ipv4().then_some(sum)
    }

    /// By how much the checksum is wrong.
    fn error(&self, frame: &[u8], view: &View) -> Option<u16> {
        let covered = frame.get(self.from..self.to)?;
        let error = match self.pseudo_header {
            Some(next) => with_pseudo_header(view.source, view.destination, next, covered),
            None => checksum(&[covered]),
        };
        // One's complement has two zeros.
        Some(if error == 0xffff { 0 } else { error })
    }

    fn compare(&self, before: &[u8], after: &[u8], views: [&View; 2]) -> Result<(), String> {
        let (old, new) = (word(before, self.field), word(after, self.field));
        if old.is_none() || new.is_none() {
            return Err(format!("no checksum at {}", self.field));
        }
        let none = Some(0);
        if self.optional && (old == none || new == none) {
            return same("whether there is a checksum", &(old == none), &(new == none));
        }
        let what = format!("by how much the checksum at {} is wrong", self.field);
        same(&what, &self.error(before, views[0]), &self.error(after, views[1]))
    }
}

impl Expected<'_> {
    /// Compares with what came out.
    ///
    /// # Errors
    /// The first difference, in words.
    pub(super) fn compare(&self, input: &[u8], output: &Output) -> Result<(), String> {
        let action = if self.hop.ifindex == INGRESS { Action::Tx } else { Action::Redirect };
        same("action", &action, &output.action)?;
        let outer_is_v4 =
            self.tunnel.map_or(self.view.source.is_ipv4(), |server| server.address.is_v4());
        let link = link_header(self.hop, outer_is_v4);
        let (start, mut rest) = output.frame.split_at_checked(link.len()).ok_or("too short")?;
        same("link-layer header", &link[..], start)?;
        if let Some(server) = self.tunnel {
            rest = self.inner(server, rest)?;
        }
        self.compare_packet(input, rest)
    }

    fn compare_packet(&self, input: &[u8], rest: &[u8]) -> Result<(), String> {
        // As the packet came: the offsets are the same in both.
        let after = [&input[..self.view.l3], rest].concat();
        let view = View::of(&after).ok_or("no packet comes out")?;
        let is_v4 = self.view.source.is_ipv4();
        let mut expected = input.to_vec();
        expected[self.view.l3 + if is_v4 { 8 } else { 7 }] -= 1;
        let header_sum = Sum::header(&self.view).map(Change::Sum);
        for change in self.changes.iter().copied().chain(header_sum) {
            let (at, bytes) = match change {
                Change::Source(l3, address) => (l3 + if is_v4 { 12 } else { 8 }, octets(address)),
                Change::Destination(l3, address) => {
                    (l3 + if is_v4 { 16 } else { 24 }, octets(address))
                }
                Change::Port(at, port) => (at, port.to_be_bytes().to_vec()),
                Change::Sum(sum) => {
                    sum.compare(input, &after, [&self.view, &view])?;
                    (sum.field, after[sum.field..sum.field + 2].to_vec())
                }
            };
            expected[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        same("packet", &expected[self.view.l3..], rest)
    }

    /// Checks a tunnel's outer header (RFC 2003, section 3.1; RFC 2473, section 3.1) and takes it
    /// off.
    fn inner<'o>(&self, server: &Server, rest: &'o [u8]) -> Result<&'o [u8], String> {
        let framed = [&link_header(self.hop, server.address.is_v4()), rest].concat();
        let start = framed.len() - rest.len();
        let outer = View::of(&framed).ok_or("no outer packet")?;
        let inner = if self.view.source.is_ipv4() { protocol::IPIP } else { protocol::IPV6 };
        let header = if server.address.is_v4() { 20 } else { 40 };
        same("outer source", &IpAddr::from(server.tunnel_source), &outer.source)?;
        same("outer destination", &IpAddr::from(server.address), &outer.destination)?;
        same("outer protocol", &inner, &outer.protocol)?;
        same("outer traffic class", &self.view.traffic_class, &outer.traffic_class)?;
        same("outer fragment", &false, &outer.fragment)?;
        same("outer header's length", &header, &(outer.l4 - start))?;
        same("packet's length", &(self.view.end - self.view.l3), &(outer.end - outer.l4))?;
        same("outer TTL", &true, &(outer.ttl > 1))?;
        let sum_is_right = outer.source.is_ipv6() || checksum(&[&rest[..header]]) == 0;
        same("outer checksum", &true, &sum_is_right)?;
        Ok(&rest[header..])
    }
}

/// A frame's start, as a server's or a route's entry has it.
fn link_header(hop: &NextHop, is_v4: bool) -> Vec<u8> {
    let mut header =
        [hop.macs.head.to_ne_bytes().as_slice(), &hop.macs.tail.to_ne_bytes()].concat();
    for tag in hop.tags.0.iter().filter(|tag| tag.tpid != 0) {
        header.extend([tag.tpid.to_ne_bytes(), tag.tci.to_ne_bytes()].concat());
    }
    header.extend(if is_v4 { [0x08, 0x00] } else { [0x86, 0xdd] });
    header
}

/// An error that says both, unless they are equal.
pub(super) fn same<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    expected: &T,
    found: &T,
) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}: {found:02x?} instead of {expected:02x?}"))
}
