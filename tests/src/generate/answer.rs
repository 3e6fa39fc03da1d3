//! The director's own ICMP errors (RFC 792, RFC 1812 section 4.3.2, RFC 4443).

use super::expect::same;
use super::sum::{checksum, with_pseudo_header};
use super::view::View;
use crate::dataplane::{Action, Output};
use lb_common::abi::protocol;

/// What of a packet is quoted at least, in bytes, if it has as many.
const LEAST_QUOTE: usize = 28;

/// Checks that an output is an error to the sender of a packet, about that packet.
///
/// # Errors
/// The first difference, in words.
pub(super) fn check(input: &[u8], view: &View, output: &Output) -> Result<(), String> {
    let frame = &output.frame;
    same("action", &Action::Tx, &output.action)?;
    let answer = View::of(frame).ok_or("it holds no packet")?;
    let is_v4 = view.source.is_ipv4();
    let link = [&input[6..12], &input[..6], &input[12..view.l3]].concat();
    same("link-layer header", &link[..], &frame[..answer.l3])?;
    same("source", &view.destination, &answer.source)?;
    same("destination", &view.source, &answer.destination)?;
    same("length of the frame", &frame.len(), &answer.end)?;
    let (own, header) = if is_v4 { (protocol::ICMP, 20) } else { (protocol::ICMPV6, 40) };
    same("protocol", &own, &answer.protocol)?;
    same("header's length", &header, &(answer.l4 - answer.l3))?;
    let message = &frame[answer.l4..];
    let sums = if is_v4 {
        [checksum(&[&frame[answer.l3..answer.l4]]), checksum(&[message])]
    } else {
        [0, with_pseudo_header(answer.source, answer.destination, own, message)]
    };
    same("checksums", &[0, 0], &sums)?;
    let known: &[[u8; 2]] =
        if is_v4 { &[[3, 3], [3, 4], [11, 0]] } else { &[[1, 4], [2, 0], [3, 0]] };
    let (kind, quote) = message.split_at_checked(8).ok_or("too short")?;
    same("known kind and code", &true, &known.iter().any(|known| kind.starts_with(known)))?;
    let packet = &input[view.l3..view.end];
    same("quote is the packet's start", &true, &packet.starts_with(quote))?;
    same("quote is long enough", &true, &(quote.len() >= LEAST_QUOTE.min(packet.len())))
}
