//! The director's own ICMP errors (RFC 792, RFC 1812 section 4.3.2, RFC 4443) and TCP resets (RFC
//! 9293, section 3.10.7.1).

use super::expect::same;
use super::sum::{checksum, with_pseudo_header};
use super::view::{View, word};
use crate::dataplane::{Action, Output};
use lb_common::abi::protocol;

/// What of a packet is quoted at least, in bytes, if it has as many.
const LEAST_QUOTE: usize = 28;

/// Checks that an output is an error to the sender of a packet, about that packet.
///
/// # Errors
/// The first difference, in words.
pub(super) fn icmp(input: &[u8], view: &View, output: &Output) -> Result<(), String> {
    let frame = &output.frame;
    let is_v4 = view.source.is_ipv4();
    let own = if is_v4 { protocol::ICMP } else { protocol::ICMPV6 };
    let answer = turned(input, view, output, own)?;
    let message = &frame[answer.l4..];
    let sum = if is_v4 {
        checksum(&[message])
    } else {
        with_pseudo_header(answer.source, answer.destination, own, message)
    };
    same("checksum", &0, &sum)?;
    let known: &[[u8; 2]] =
        if is_v4 { &[[3, 3], [3, 4], [11, 0]] } else { &[[1, 4], [2, 0], [3, 0]] };
    let (kind, quote) = message.split_at_checked(8).ok_or("too short")?;
    same("known kind and code", &true, &known.iter().any(|known| kind.starts_with(known)))?;
    let packet = &input[view.l3..view.end];
    same("quote is the packet's start", &true, &packet.starts_with(quote))?;
    same("quote is long enough", &true, &(quote.len() >= LEAST_QUOTE.min(packet.len())))
}

/// Checks that an output is a reset of the connection that a segment is of, to its sender.
///
/// # Errors
/// The first difference, in words.
pub(super) fn reset(input: &[u8], view: &View, output: &Output) -> Result<(), String> {
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;
    same("protocol of the segment", &protocol::TCP, &view.protocol)?;
    let answer = turned(input, view, output, protocol::TCP)?;
    let segment = &input[view.l4..view.end];
    let reset = &output.frame[answer.l4..];
    let number = |bytes: &[u8], at| {
        Some(u32::from(word(bytes, at)?) << 16 | u32::from(word(bytes, at + 2)?))
    };
    let flags = *segment.get(13).ok_or("no segment")?;
    same("whether a reset is answered", &0, &(flags & RST))?;
    let end = if flags & ACK != 0 {
        None
    } else {
        let data = segment.len() - usize::from(segment[12] >> 4) * 4;
        let ends = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        number(segment, 4).map(|first| first.wrapping_add(data as u32).wrapping_add(ends))
    };
    same("length", &20, &reset.len())?;
    same("ports", &[&segment[2..4], &segment[..2]].concat()[..], &reset[..4])?;
    let sequence = if flags & ACK != 0 { number(segment, 8) } else { Some(0) };
    same("sequence number", &sequence, &number(reset, 4))?;
    same("acknowledgement", &end.or(Some(0)), &number(reset, 8))?;
    let flags = if flags & ACK != 0 { RST } else { RST | ACK };
    same("header's length, flags and window", &[0x50, flags, 0, 0][..], &reset[12..16])?;
    same("urgent pointer", &[0, 0][..], &reset[18..])?;
    let sum = with_pseudo_header(answer.source, answer.destination, protocol::TCP, reset);
    same("checksum", &0, &sum)
}

/// Checks that an output goes back to the sender of a packet, from where that went, with a
/// message of a protocol behind a plain IP header.
fn turned(input: &[u8], view: &View, output: &Output, own: u8) -> Result<View, String> {
    let frame = &output.frame;
    same("action", &Action::Tx, &output.action)?;
    let answer = View::of(frame).ok_or("it holds no packet")?;
    let link = [&input[6..12], &input[..6], &input[12..view.l3]].concat();
    same("link-layer header", &link[..], &frame[..answer.l3])?;
    same("source", &view.destination, &answer.source)?;
    same("destination", &view.source, &answer.destination)?;
    same("length of the frame", &frame.len(), &answer.end)?;
    same("protocol", &own, &answer.protocol)?;
    let is_v4 = answer.source.is_ipv4();
    same("header's length", &(if is_v4 { 20 } else { 40 }), &(answer.l4 - answer.l3))?;
    let sum = if is_v4 { checksum(&[&frame[answer.l3..answer.l4]]) } else { 0 };
    same("header's checksum", &0, &sum)?;
    Ok(answer)
}
