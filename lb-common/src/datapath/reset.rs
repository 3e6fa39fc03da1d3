//! TCP resets of our own, in the virtual address's name, back to where the segment came from.

use super::family::Family;
use super::packet::Packet;
use super::parse::LinkHeader;
use super::{Frame, link};
use crate::abi::{Macs, protocol};
use crate::reason::Reason;
use crate::wire::checksum::Sum;
use crate::wire::ethernet::Ethernet;
use crate::wire::transport::{Ports, Tcp, tcp};
use crate::wire::{be, raw};

/// Turns the frame into a reset of the connection that its segment is of. Their number needs no
/// bound: with each, the director forgets a flow.
#[inline(never)]
pub(super) fn send<V: Family, F: Frame>(
    frame: &mut F,
    link: &LinkHeader,
    packet: &Packet,
) -> Reason {
    match write::<V, F>(frame, link, packet) {
        Err(reason) => reason,
        Ok(()) => Reason::FlowReset,
    }
}

#[inline(always)]
fn write<V: Family, F: Frame>(
    frame: &mut F,
    link: &LinkHeader,
    packet: &Packet,
) -> Result<(), Reason> {
    let ethernet: &Ethernet = frame.at(0)?;
    let macs = Macs::new(ethernet.source(), ethernet.destination());
    let segment: &Tcp = frame.at(packet.payload)?;
    let (sequence, acknowledgement, flags) = answer_to(segment, packet);

    let at = link.length + V::HEADER;
    frame.truncate(at + size_of::<Tcp>())?;
    link::write(frame, &link.tags, link.ethertype, &macs)?;
    let header: &mut V::Header = frame.at(link.length)?;
    let (source, destination) = (packet.destination(), packet.source());
    *header = V::header(source, destination, protocol::TCP, 0, size_of::<Tcp>() as u16);

    let header: &mut Tcp = frame.at(at)?;
    header.ports = Ports {
        source: raw::U16::new(packet.key.destination_port),
        destination: raw::U16::new(packet.key.source_port),
    };
    header.sequence = be::U32::new(sequence);
    header.acknowledgement = be::U32::new(acknowledgement);
    header.data_offset = (size_of::<Tcp>() as u8 / 4) << 4;
    header.flags = flags;
    header.window = be::U16::ZERO;
    header.checksum = raw::U16::ZERO;
    header.urgent = be::U16::ZERO;
    let words: &[raw::U32; size_of::<Tcp>() / 4] = zerocopy::transmute_ref!(header);
    // A mapped IPv4 address adds a prefix that counts as 0 in one's complement.
    let pseudo_header = Sum::ZERO
        .add_address(source)
        .add_address(destination)
        .add((size_of::<Tcp>() as u32).to_be())
        .add((protocol::TCP as u32).to_be());
    let sum = words.iter().fold(pseudo_header, |sum, word| sum.add(word.get()));
    header.checksum = raw::U16::new(sum.checksum());
    Ok(())
}

/// Sequence number, acknowledgement number and flags of the reset that answers a segment (RFC 9293,
/// section 3.10.7.1).
#[inline(always)]
fn answer_to(segment: &Tcp, packet: &Packet) -> (u32, u32, u8) {
    if segment.flags & tcp::ACK != 0 {
        return (segment.acknowledgement.get(), 0, tcp::RST);
    }
    let header = ((segment.data_offset >> 4) as usize) << 2;
    let data = (packet.l3 + packet.length - packet.payload - header) as u32;
    let syn = (segment.flags & tcp::SYN != 0) as u32;
    let fin = (segment.flags & tcp::FIN != 0) as u32;
    let end = segment.sequence.get().wrapping_add(data).wrapping_add(syn + fin);
    (0, end, tcp::RST | tcp::ACK)
}
