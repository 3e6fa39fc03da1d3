//! VRRPv2.

use super::{ADVERTISEMENT, Advert, Discard, checksum, header};
use std::{fmt, time::Duration};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

pub(super) const VERSION: u8 = 2;

/// 8 bits of seconds.
pub(super) const INTERVALS: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(u8::MAX as u64));

/// RFC 3768, section 5.1:
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Auth Type   |   Adver Int   |          Checksum             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         IP Address(es)                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Authentication Data (8)                   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// The second word.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct SecondWord {
    authentication: u8,
    interval: u8,
    _checksum: [u8; 2],
}

/// Types of authentication (RFC 2338, section 5.3.6; RFC 3768 keeps the first).
mod authentication {
    pub(super) const NONE: u8 = 0;
    pub(super) const PASS: u8 = 1;
}

/// The plain text that PASS puts into each packet: it guards against mistakes, not against anyone
/// who listens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password([u8; Self::LENGTH]);

impl Password {
    /// In bytes. What is longer is cut off, as keepalived does.
    pub const LENGTH: usize = 8;

    /// The first [`Self::LENGTH`] bytes of a text, filled up with zeros.
    pub fn truncated(text: &str) -> Self {
        let mut password = [0; Self::LENGTH];
        for (to, from) in password.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Self(password)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// Interval in units, and addresses.
pub(super) fn read<'a>(
    message: &[u8],
    rest: &'a [u8],
    count: u8,
    password: Option<&Password>,
) -> Result<(u16, &'a [u8]), Discard> {
    let length = usize::from(count) * 4;
    let (second, rest) = header::<SecondWord>(rest, length, Password::LENGTH)?;
    let (addresses, data) = rest.split_at_checked(length).ok_or(Discard::BadLength)?;
    if !checksum::holds(message, None) {
        return Err(Discard::BadChecksum);
    }
    match (second.authentication, password) {
        (authentication::NONE, None) => {}
        (authentication::PASS, Some(password)) if password.0 == data => {}
        (authentication::PASS, Some(_)) => return Err(Discard::WrongPassword),
        (authentication::NONE | authentication::PASS, _) => {
            return Err(Discard::WrongAuthentication);
        }
        _ => return Err(Discard::UnknownAuthentication),
    }
    Ok((second.interval.into(), addresses))
}

pub(super) fn write(
    advert: &Advert,
    units: u16,
    count: u8,
    addresses: &[u8],
    password: Option<&Password>,
) -> Vec<u8> {
    let authentication =
        if password.is_some() { authentication::PASS } else { authentication::NONE };
    let data = password.map_or([0; Password::LENGTH], |password| password.0);
    let seconds = u8::try_from(units).unwrap_or(u8::MAX);
    let message = |[one, two]: [u8; 2]| {
        let first = [VERSION << 4 | ADVERTISEMENT, advert.router_id, advert.priority, count];
        [&first, &[authentication, seconds, one, two], addresses, &data].concat()
    };
    message(checksum::checksum(&message([0, 0]), None))
}
