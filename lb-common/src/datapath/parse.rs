//! From a frame to a [`Packet`].

use super::Frame;
use super::family::Family;
use super::packet::Packet;
use crate::abi::{FlowKey, Tag, Tags, protocol};
use crate::reason::Reason;
use crate::wire::ethernet::{self, Ethernet, TagRest};
use crate::wire::transport::{Ports, Tcp, Udp};

/// A frame's link-layer header.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct LinkHeader {
    /// VLAN tags.
    pub(super) tags: Tags,
    /// EtherType after them.
    pub(super) ethertype: u16,
    /// Length, and so offset of what follows.
    pub(super) length: usize,
}

/// Reads the link-layer header.
#[inline(always)]
pub(super) fn link<F: Frame>(frame: &mut F) -> Result<LinkHeader, Reason> {
    const GROUP_BIT: u8 = 1;
    let header: &Ethernet = frame.at(0)?;
    if header.destination()[0] & GROUP_BIT != 0 {
        return Err(Reason::NotUnicast);
    }
    let mut link = LinkHeader {
        tags: Tags::NONE,
        ethertype: header.ethertype.get(),
        length: ethernet::HEADER,
    };
    for tag in &mut link.tags.0 {
        if !ethernet::is_tag(link.ethertype) {
            break;
        }
        let rest: &TagRest = frame.at(link.length)?;
        *tag = Tag { tpid: link.ethertype.to_be(), tci: rest.tci.get() };
        link.ethertype = rest.ethertype.get();
        link.length += ethernet::TAG;
    }
    if ethernet::is_tag(link.ethertype) {
        return Err(Reason::TooManyTags);
    }
    Ok(link)
}

/// Reads the transport header of a whole packet of TCP or UDP.
#[inline(always)]
pub(super) fn transport<F: Frame>(frame: &mut F, packet: &mut Packet) -> Result<(), Reason> {
    let length = if packet.protocol() == protocol::TCP {
        let header: &Tcp = frame.at(packet.payload)?;
        set_ports(&mut packet.key, &header.ports);
        packet.tcp_flags = header.flags;
        let length = ((header.data_offset >> 4) as usize) << 2;
        if length < size_of::<Tcp>() {
            return Err(Reason::BadHeader);
        }
        length
    } else {
        let header: &Udp = frame.at(packet.payload)?;
        set_ports(&mut packet.key, &header.ports);
        let length = header.length.get() as usize;
        if length < size_of::<Udp>() {
            return Err(Reason::BadHeader);
        }
        length
    };
    if packet.payload + length > packet.l3 + packet.length {
        return Err(Reason::BadHeader);
    }
    Ok(())
}

/// Reads what an ICMP error quotes: the start of a packet of TCP or UDP, up to the offset `end`.
/// `packet` says where it begins and takes what is read. Its key is that of the packets that go
/// the other way: the one that flows are kept under.
#[inline(never)]
pub(super) fn quoted<V: Family, F: Frame>(
    frame: &mut F,
    end: usize,
    packet: &mut Packet,
) -> Result<(), Reason> {
    V::parse::<F, true>(frame, packet)?;
    if packet.protocol() != protocol::TCP && packet.protocol() != protocol::UDP
        || packet.fragment.is_later()
        || packet.payload + size_of::<Ports>() > end
    {
        return Err(Reason::IcmpUnrelated);
    }
    let ports: &Ports = frame.at(packet.payload)?;
    set_ports(&mut packet.key, ports);
    packet.key = packet.key.reversed();
    Ok(())
}

#[inline(always)]
fn set_ports(key: &mut FlowKey, ports: &Ports) {
    key.source_port = ports.source.get();
    key.destination_port = ports.destination.get();
}
