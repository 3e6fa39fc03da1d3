//! VRRPv3.

use super::{ADVERTISEMENT, Advert, Discard, Received, checksum, header};
use std::{net::IpAddr, time::Duration};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned, big_endian};

pub(super) const VERSION: u8 = 3;

/// 12 bits of centiseconds.
pub(super) const INTERVALS: (Duration, Duration) =
    (Duration::from_millis(10), Duration::from_millis(10 * UNITS as u64));
const UNITS: u16 = 0x0fff;

/// RFC 9568, section 5.1:
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Version| Type  | Virtual Rtr ID|   Priority    |IPvX Addr Count|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Reserve| Max Advertise Interval|          Checksum             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       IPvX Address(es)                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// The second word; the first is [`super::v2`]'s as well.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct SecondWord {
    interval: big_endian::U16,
    _checksum: [u8; 2],
}

/// Interval in units, and addresses.
pub(super) fn read<'a>(
    received: &Received<'a>,
    rest: &'a [u8],
    count: u8,
) -> Result<(u16, &'a [u8]), Discard> {
    let address = if received.source.is_ipv4() { 4 } else { 16 };
    let (second, addresses) = header::<SecondWord>(rest, usize::from(count) * address, 0)?;
    let ends = (received.source, received.destination);
    let holds = checksum::holds(received.message, Some(ends))
        || received.source.is_ipv4() && checksum::holds(received.message, None);
    if !holds {
        return Err(Discard::BadChecksum);
    }
    Ok((second.interval.get() & UNITS, addresses))
}

pub(super) fn write(
    advert: &Advert,
    units: u16,
    count: u8,
    addresses: &[u8],
    pseudo: Option<(IpAddr, IpAddr)>,
) -> Vec<u8> {
    let [high, low] = units.to_be_bytes();
    let message = |[one, two]: [u8; 2]| {
        let first = [VERSION << 4 | ADVERTISEMENT, advert.router_id, advert.priority, count];
        [&first, &[high, low, one, two], addresses].concat()
    };
    message(checksum::checksum(&message([0, 0]), pseudo))
}
