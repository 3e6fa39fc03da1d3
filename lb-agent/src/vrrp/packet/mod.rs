//! Advertisements, as bytes and as values.

mod checksum;
mod ip;
mod reasons;
mod v2;
mod v3;

#[cfg(test)]
mod tests;

pub use ip::Received;
pub use reasons::{Discard, Oddity};
pub use v2::Password;

use std::{net::IpAddr, time::Duration};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// VRRP's number among the protocols over IP.
pub const PROTOCOL: u8 = 112;
/// Of each packet that is sent, and of each that came through no router (RFC 9568, section 5.1.1.3).
pub const TTL: u8 = 255;
/// The most virtual addresses that an advertisement can name.
pub const MOST_ADDRESSES: usize = u8::MAX as usize;

const ADVERTISEMENT: u8 = 1;

/// Which packets a virtual router sends and takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 3768; over IPv4 only. With a password it is authentication type 1 (PASS), else 0.
    V2(Option<Password>),
    /// RFC 9568.
    V3 {
        /// The checksum over IPv4 leaves out the pseudo-header, as keepalived's
        /// `v3_checksum_as_v2` and RFC 9568 have it. By default keepalived, like others that read
        /// RFC 5798 so, includes it, and discards what doesn't. Only matters for sending: both are
        /// taken.
        checksum_as_v2: bool,
    },
}

impl Format {
    /// As keepalived sends VRRPv3.
    pub const V3: Self = Self::V3 { checksum_as_v2: false };

    /// The intervals that the packets can tell: whole multiples of the first, up to the second.
    pub const fn intervals(&self) -> (Duration, Duration) {
        match self {
            Self::V2(_) => v2::INTERVALS,
            Self::V3 { .. } => v3::INTERVALS,
        }
    }

    /// What a packet tells of an interval: the nearest multiple below, and within the limits.
    fn units(&self, interval: Duration) -> u16 {
        let (unit, most) = self.intervals();
        let units = interval.clamp(unit, most).as_millis() / unit.as_millis();
        units.try_into().unwrap_or(u16::MAX)
    }

    fn interval(&self, units: u16) -> Duration {
        self.intervals().0 * units.into()
    }
}

/// What an advertisement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// 1 to 255.
    pub router_id: u8,
    /// The sender's; [`super::RESIGNS`] and [`super::OWNER`] mean more than a number.
    pub priority: u8,
    /// How often it is sent; see [`Format::intervals`].
    pub interval: Duration,
    /// At most [`MOST_ADDRESSES`], all of the family that the packet is sent over.
    pub addresses: Vec<IpAddr>,
}

/// What a virtual router takes.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// The virtual router's.
    pub router_id: u8,
    /// The only one that is taken.
    pub format: &'a Format,
    /// The virtual router's own.
    pub interval: Duration,
    /// The virtual addresses, in any order.
    pub addresses: &'a [IpAddr],
    /// This node's addresses on the interface: nobody else sends from them.
    pub own: &'a [IpAddr],
    /// Whether multicast is listened to.
    pub multicast: bool,
    /// Who may send to this node alone.
    pub peers: &'a [IpAddr],
    /// How many routers may lie on the way from a unicast peer (RFC 5082). For multicast it is
    /// always none.
    pub hops: u8,
}

/// An advertisement that is to be listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What it says.
    pub advert: Advert,
    /// What to count and to tell the operator. Addresses that differ are no reason not to listen
    /// (RFC 9568, section 7.1, and keepalived agree): or each change of the configuration would
    /// begin with two masters.
    pub oddities: Vec<Oddity>,
}

/// Reads which virtual router a message is about: the driver's key to the [`Expectation`], beside
/// interface and family. If no virtual router has it, that is [`Discard::UnknownRouterId`].
pub fn router_id(message: &[u8]) -> Result<u8, Discard> {
    message.get(1).copied().ok_or(Discard::Truncated)
}

/// Reads an advertisement.
pub fn parse(received: &Received<'_>, expected: &Expectation<'_>) -> Result<Heard, Discard> {
    came_fairly(received, expected)?;
    let message = received.message;
    let (&[version_type, router_id, priority, count], rest) =
        message.split_first_chunk().ok_or(Discard::Truncated)?;
    if version_type & 0x0f != ADVERTISEMENT {
        return Err(Discard::NotAdvert);
    }
    if router_id != expected.router_id {
        return Err(Discard::UnknownRouterId);
    }
    let version = version_type >> 4;
    let (units, addresses) = match (expected.format, received.source, version) {
        (Format::V2(password), IpAddr::V4(_), v2::VERSION) => {
            v2::read(message, rest, count, password.as_ref())?
        }
        (Format::V3 { .. }, _, v3::VERSION) => v3::read(received, rest, count)?,
        _ => return Err(Discard::WrongVersion),
    };
    let addresses = addresses_in(addresses, received.source.is_ipv4());
    if addresses.is_empty() {
        return Err(Discard::NoAddresses);
    }
    let interval = expected.format.interval(units);
    let own_interval = expected.format.interval(expected.format.units(expected.interval));
    if interval.is_zero() {
        return Err(Discard::ZeroInterval);
    }
    let mut oddities = vec![];
    if interval != own_interval {
        match expected.format {
            Format::V2(_) => return Err(Discard::WrongInterval),
            Format::V3 { .. } => oddities.push(Oddity::OtherInterval),
        }
    }
    if !same_set(&addresses, expected.addresses) {
        oddities.push(Oddity::OtherAddresses);
    }
    Ok(Heard { advert: Advert { router_id, priority, interval, addresses }, oddities })
}

/// Writes an advertisement, as it follows the IP header, its checksum included. An interval that
/// the format can't tell is rounded to the nearest that it can; addresses of another family than
/// the source, and those beyond [`MOST_ADDRESSES`], are left out: a configuration has neither.
pub fn build(advert: &Advert, format: &Format, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let mut addresses = vec![];
    let mut count: u8 = 0;
    for address in advert.addresses.iter().take(MOST_ADDRESSES) {
        match (address, source) {
            (IpAddr::V4(address), IpAddr::V4(_)) => addresses.extend(address.octets()),
            (IpAddr::V6(address), IpAddr::V6(_)) => addresses.extend(address.octets()),
            _ => continue,
        }
        count += 1;
    }
    let units = format.units(advert.interval);
    match format {
        Format::V2(password) => v2::write(advert, units, count, &addresses, password.as_ref()),
        Format::V3 { checksum_as_v2 } => {
            let pseudo = (source.is_ipv6() || !checksum_as_v2).then_some((source, destination));
            v3::write(advert, units, count, &addresses, pseudo)
        }
    }
}

/// The checks of a packet's way here (RFC 9568, section 7.1).
fn came_fairly(received: &Received<'_>, expected: &Expectation<'_>) -> Result<(), Discard> {
    let Received { source, destination, ttl, .. } = received;
    let hops = if destination.is_multicast() { 0 } else { expected.hops };
    if *ttl < TTL - hops {
        return Err(Discard::BadTtl);
    }
    if expected.own.contains(source) {
        return Err(Discard::OwnSource);
    }
    match destination.is_multicast() {
        true if !expected.multicast => Err(Discard::NotUnicast),
        false if !expected.peers.contains(source) => Err(Discard::UnknownPeer),
        _ => Ok(()),
    }
}

/// A fixed header and the rest, which has to be as long as the number of addresses makes it.
fn header<T>(rest: &[u8], addresses: usize, trailer: usize) -> Result<(&T, &[u8]), Discard>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let (header, rest) = T::ref_from_prefix(rest).map_err(|_| Discard::Truncated)?;
    if rest.len() == addresses + trailer { Ok((header, rest)) } else { Err(Discard::BadLength) }
}

fn addresses_in(bytes: &[u8], v4: bool) -> Vec<IpAddr> {
    if v4 {
        let (addresses, _) = bytes.as_chunks::<4>();
        addresses.iter().map(|&octets| octets.into()).collect()
    } else {
        let (addresses, _) = bytes.as_chunks::<16>();
        addresses.iter().map(|&octets| octets.into()).collect()
    }
}

fn same_set(some: &[IpAddr], others: &[IpAddr]) -> bool {
    // In the same order in almost every packet.
    some == others || {
        let sorted = |addresses: &[IpAddr]| {
            let mut addresses = addresses.to_vec();
            addresses.sort_unstable();
            addresses
        };
        sorted(some) == sorted(others)
    }
}
