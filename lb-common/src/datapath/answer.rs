//! ICMP errors of our own, in the virtual address's name, back to where the packet came from.

use super::env::Env;
use super::family::Family;
use super::packet::Packet;
use super::parse::LinkHeader;
use super::{Frame, Scratch, Verdict, link};
use crate::abi::Macs;
use crate::reason::Reason;
use crate::wire::checksum::Sum;
use crate::wire::ethernet::Ethernet;
use crate::wire::icmp::{self, Icmp};
use crate::wire::raw;

/// ICMP errors that a CPU may send in a second: Linux's own bound (`icmp_msgs_per_sec`).
pub const ANSWERS_PER_SECOND: u32 = 1000;

/// How many ICMP errors were sent in a second.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Answers {
    second: u32,
    sent: u32,
}

impl Answers {
    pub(super) const NONE: Self = Self { second: 0, sent: 0 };

    /// Counts one more, if that is within `most` in this second.
    #[inline(always)]
    fn take(&mut self, now: u32, most: u32) -> bool {
        if self.second != now {
            *self = Self { second: now, sent: 0 };
        }
        let granted = self.sent < most;
        self.sent += granted as u32;
        granted
    }
}

/// How much is quoted of the packet in question, in words of 4 bytes: the most that it has. The
/// largest, with both headers, is within the 576 bytes that RFC 1812 (section 4.3.2.3) asks for;
/// the smallest is an IPv4 header with the first 8 bytes behind it (RFC 792). A few fixed sizes,
/// because the verifier walks through every one.
const QUOTES: [usize; 4] = [128, 32, 12, LEAST_QUOTE];
const LEAST_QUOTE: usize = 7;

/// Turns the frame into an ICMP error to its sender. No error is sent about a later fragment
/// (RFC 1122, section 3.2.2), nor about a first one without the 8 bytes of data that the shortest
/// fragment has. Nor are errors sent without bounds (RFC 4443, section 2.4 f).
#[inline(never)]
pub(super) fn send<V: Family, F: Frame, E: Env>(
    frame: &mut F,
    env: &E,
    link: &LinkHeader,
    scratch: &mut Scratch,
    verdict: &Verdict,
) -> Reason {
    let Scratch { packet, answers, .. } = scratch;
    if packet.fragment.is_later() || packet.length < LEAST_QUOTE * 4 {
        return Reason::Unanswerable;
    }
    if !answers.take(env.now(), env.answers_per_second()) {
        return Reason::AnswerLimited;
    }
    match write::<V, F>(frame, link, packet, verdict) {
        Err(reason) => reason,
        Ok(()) => verdict.reason,
    }
}

#[inline(always)]
fn write<V: Family, F: Frame>(
    frame: &mut F,
    link: &LinkHeader,
    packet: &Packet,
    verdict: &Verdict,
) -> Result<(), Reason> {
    let words = QUOTES.into_iter().find(|words| words * 4 <= packet.length);
    let words = words.unwrap_or(LEAST_QUOTE);
    let quote = words * 4;
    let ethernet: &Ethernet = frame.at(0)?;
    let macs = Macs::new(ethernet.source(), ethernet.destination());

    let added = V::HEADER + icmp::HEADER;
    frame.grow_head(added as isize)?;
    frame.truncate(link.length + added + quote)?;
    link::write(frame, &link.tags, link.ethertype, &macs)?;

    let payload = (icmp::HEADER + quote) as u16;
    let header: &mut V::Header = frame.at(link.length)?;
    *header = V::header(packet.destination(), packet.source(), V::ICMP, 0, payload);

    let mut sum = match words {
        128 => sum::<F, 128>(frame, link.length + added)?,
        32 => sum::<F, 32>(frame, link.length + added)?,
        12 => sum::<F, 12>(frame, link.length + added)?,
        _ => sum::<F, 7>(frame, link.length + added)?,
    };
    if V::ICMP_PSEUDO_HEADER {
        sum = sum
            .add_address(packet.source())
            .add_address(packet.destination())
            .add((payload as u32).to_be())
            .add((V::ICMP as u32).to_be());
    }
    let message: &mut Icmp = frame.at(link.length + V::HEADER)?;
    *message = V::icmp_error(verdict.reason, verdict.mtu());
    let [first, second]: &[raw::U32; 2] = zerocopy::transmute_ref!(message);
    let sum = sum.add(first.get()).add(second.get());
    message.checksum = raw::U16::new(sum.checksum());
    Ok(())
}

#[inline(always)]
fn sum<F: Frame, const WORDS: usize>(frame: &mut F, offset: usize) -> Result<Sum, Reason> {
    let words: &[raw::U32; WORDS] = frame.at(offset)?;
    Ok(words.iter().fold(Sum::ZERO, |sum, word| sum.add(word.get())))
}
