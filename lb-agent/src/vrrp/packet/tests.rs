use super::*;
use pnet::{
    packet::ip::IpNextHeaderProtocol,
    util::{checksum as internet_checksum, ipv4_checksum, ipv6_checksum},
};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const GROUP: &str = "224.0.0.18";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ips(texts: &str) -> Vec<IpAddr> {
    texts.split(' ').map(ip).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.replace(' ', "");
    (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap())
        .collect()
}

fn password(text: &str) -> Format {
    Format::V2(Some(Password::truncated(text)))
}

fn advert(router_id: u8, priority: u8, interval: Duration, addresses: &str) -> Advert {
    Advert { router_id, priority, interval, addresses: ips(addresses) }
}

/// Expects what the advertisement says, from a peer on the link.
fn expecting<'a>(advert: &'a Advert, format: &'a Format, peers: &'a [IpAddr]) -> Expectation<'a> {
    Expectation {
        router_id: advert.router_id,
        format,
        interval: advert.interval,
        addresses: &advert.addresses,
        own: &[],
        multicast: true,
        peers,
        hops: 0,
    }
}

/// What keepalived sends, byte for byte. The last column names a row that is only taken: ours is
/// sent another way.
#[test]
fn as_keepalived_sends_them() {
    let web = advert(51, 101, SECOND, "192.168.0.99");
    let fast = advert(51, 0, SECOND / 100, "192.168.0.99 192.168.0.98");
    let six = advert(51, 101, SECOND, "fe80::99 2001:db8::99");
    let mail = advert(50, 255, SECOND, "192.168.0.99");
    let as_v2 = Format::V3 { checksum_as_v2: true };
    for (format, source, destination, hex, advert) in [
        (Format::V3, "192.168.0.100", GROUP, "31336501 006406c0 c0a80063", &web),
        (Format::V3, "192.168.0.100", "192.168.0.101", "31336501 006425c5 c0a80063", &web),
        (as_v2, "192.168.0.100", GROUP, "31336501 0064a85b c0a80063", &web),
        (Format::V3, "192.168.0.100", GROUP, "31330002 0001ab13 c0a80063 c0a80062", &fast),
        (
            Format::V3,
            "fe80::1",
            "ff02::12",
            "31336502 00643dcb fe800000 00000000 00000000 00000099 \
             20010db8 00000000 00000000 00000099",
            &six,
        ),
        (
            Format::V2(None),
            "192.168.0.100",
            GROUP,
            "21336501 0001b8be c0a80063 00000000 00000000",
            &web,
        ),
        (
            password("secret-too-long"),
            "192.168.0.100",
            GROUP,
            "2132ff01 0101b3fe c0a80063 73656372 65742d74",
            &mail,
        ),
    ] {
        let (source, destination) = (ip(source), ip(destination));
        let message = bytes(hex);
        assert_eq!(build(advert, &format, source, destination), message, "{hex}");
        let received = Received { source, destination, ttl: 255, message: &message };
        let heard = parse(&received, &expecting(advert, &format, &[source]));
        assert_eq!(heard, Ok(Heard { advert: advert.clone(), oddities: vec![] }), "{hex}");
        assert_eq!(router_id(&message), Ok(advert.router_id));
    }
}

#[test]
fn version_3_over_ipv4_is_taken_with_and_without_the_pseudo_header() {
    let web = advert(51, 101, SECOND, "192.168.0.99");
    for sent in [false, true] {
        let ends = (ip("192.168.0.100"), ip(GROUP));
        let message = build(&web, &Format::V3 { checksum_as_v2: sent }, ends.0, ends.1);
        let received =
            Received { source: ends.0, destination: ends.1, ttl: 255, message: &message };
        for own in [false, true] {
            let format = Format::V3 { checksum_as_v2: own };
            assert!(parse(&received, &expecting(&web, &format, &[])).is_ok());
        }
    }
}

/// One thing is wrong with each.
#[test]
fn each_reason_to_discard() {
    let web = advert(51, 101, SECOND, "192.168.0.99");
    let (peer, group) = (ip("192.168.0.100"), ip(GROUP));
    let (v2, v3, pass) = (Format::V2(None), Format::V3, password("secret"));
    let v3_message = build(&web, &v3, peer, group);
    let good = Received { source: peer, destination: group, ttl: 255, message: &v3_message };
    let unicast = Received { destination: ip("192.168.0.101"), ..good };
    let base = expecting(&web, &v3, &[]);
    let sent = |advert: &Advert, format: &Format| build(advert, format, peer, group);
    let none = Advert { addresses: vec![], ..web.clone() };
    let slow = Advert { interval: 2 * SECOND, ..web.clone() };
    let of_v2 = sent(&web, &v2);
    let of_pass = sent(&web, &pass);
    let of_other = sent(&web, &password("other"));
    let [empty, slow] = [sent(&none, &v3), sent(&slow, &v2)];
    let [query, corrupt, zero, unknown] =
        [(&v3_message, 0, 0x32), (&v3_message, 2, 99), (&v3_message, 5, 0), (&of_v2, 4, 7)].map(
            |(message, at, value)| {
                let mut message = message.clone();
                message[at] = value;
                // Only one of them is meant to have a checksum that is wrong.
                if at != 2 {
                    message[6..8].fill(0);
                    let sum = checksum::checksum(&message, None);
                    message[6..8].copy_from_slice(&sum);
                }
                message
            },
        );
    let with = |message| Received { message, ..good };
    let own = [peer];
    let rows = [
        (with(&v3_message[..7]), base, Discard::Truncated),
        (with(&v3_message[..11]), base, Discard::BadLength),
        (with(&of_v2), base, Discard::WrongVersion),
        (good, Expectation { format: &v2, ..base }, Discard::WrongVersion),
        (with(&query), base, Discard::NotAdvert),
        (with(&corrupt), base, Discard::BadChecksum),
        (Received { ttl: 254, ..good }, Expectation { hops: 9, ..base }, Discard::BadTtl),
        (good, Expectation { own: &own, ..base }, Discard::OwnSource),
        (good, Expectation { router_id: 52, ..base }, Discard::UnknownRouterId),
        (good, Expectation { multicast: false, ..base }, Discard::NotUnicast),
        (unicast, base, Discard::UnknownPeer),
        (with(&empty), base, Discard::NoAddresses),
        (with(&zero), base, Discard::ZeroInterval),
        (with(&slow), Expectation { format: &v2, ..base }, Discard::WrongInterval),
        (with(&unknown), Expectation { format: &v2, ..base }, Discard::UnknownAuthentication),
        (with(&of_v2), Expectation { format: &pass, ..base }, Discard::WrongAuthentication),
        (with(&of_pass), Expectation { format: &v2, ..base }, Discard::WrongAuthentication),
        (with(&of_other), Expectation { format: &pass, ..base }, Discard::WrongPassword),
    ];
    for (received, expected, discard) in rows {
        assert_eq!(parse(&received, &expected), Err(discard), "{discard}");
    }
    for discard in Discard::ALL {
        assert!(rows.iter().any(|row| row.2 == *discard), "{discard} has no row");
    }
    assert!(parse(&good, &base).is_ok());
}

#[test]
fn odd_ones_are_heard_and_told() {
    let web = advert(51, 101, SECOND, "192.168.0.99 192.168.0.98");
    let (peer, group) = (ip("192.168.0.100"), ip(GROUP));
    let message = build(&web, &Format::V3, peer, group);
    let received = Received { source: peer, destination: group, ttl: 255, message: &message };
    let base = expecting(&web, &Format::V3, &[]);
    let oddities = |expected: Expectation<'_>| parse(&received, &expected).unwrap().oddities;
    let turned = ips("192.168.0.98 192.168.0.99");
    assert_eq!(oddities(Expectation { addresses: &turned, ..base }), []);
    let fewer = ips("192.168.0.99");
    assert_eq!(oddities(Expectation { addresses: &fewer, ..base }), [Oddity::OtherAddresses]);
    assert_eq!(oddities(Expectation { interval: 2 * SECOND, ..base }), [Oddity::OtherInterval]);
}

#[test]
fn unicast_may_cross_as_many_routers_as_configured() {
    let web = advert(51, 101, SECOND, "192.168.0.99");
    let (source, destination) = (ip("10.0.0.1"), ip("10.1.0.1"));
    let message = build(&web, &Format::V3, source, destination);
    for (ttl, hops, taken) in [(255, 0, true), (254, 0, false), (253, 2, true), (252, 2, false)] {
        let received = Received { source, destination, ttl, message: &message };
        let peers = [source];
        let expected = Expectation { hops, ..expecting(&web, &Format::V3, &peers) };
        assert_eq!(parse(&received, &expected).is_ok(), taken, "{ttl} {hops}");
    }
}

#[test]
fn an_ipv4_packet_is_taken_apart() {
    let message = bytes("31336501 006406c0 c0a80063");
    let header = bytes("46c00024 00010000 ff700000 c0a80064 e0000012 94040000");
    let padded = [&header[..], &message, &[0; 6]].concat();
    let received = Received::from_ipv4(&padded).unwrap();
    let (source, destination) = (ip("192.168.0.100"), ip(GROUP));
    assert_eq!(received, Received { source, destination, ttl: 255, message: &message });
    for (at, value) in [(0, 0x44), (0, 0x66), (9, 17), (3, 23), (3, 200)] {
        let mut packet = padded.clone();
        packet[at] = value;
        assert_eq!(Received::from_ipv4(&packet), Err(Discard::Truncated), "{value} at {at}");
    }
}

#[test]
fn an_interval_is_rounded_to_what_can_be_told() {
    let ms = Duration::from_millis;
    for (format, interval, told) in [
        (Format::V3, 19, 10),
        (Format::V3, 1, 10),
        (Format::V3, 1_000_000, 40_950),
        (Format::V2(None), 10, 1000),
        (Format::V2(None), 1999, 1000),
        (Format::V2(None), 1_000_000, 255_000),
    ] {
        let web = advert(51, 101, ms(interval), "192.168.0.99");
        let (source, destination) = (ip("192.168.0.100"), ip(GROUP));
        let message = build(&web, &format, source, destination);
        let received = Received { source, destination, ttl: 255, message: &message };
        let heard = parse(&received, &expecting(&web, &format, &[])).unwrap();
        assert_eq!((heard.advert.interval, heard.oddities), (ms(told), vec![]), "{interval}");
    }
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![
        any::<bool>().prop_map(|checksum_as_v2| Format::V3 { checksum_as_v2 }),
        Just(Format::V2(None)),
        ".{0,12}".prop_map(|text| password(&text)),
    ]
}

/// An advertisement that its format can tell, and the ends it is sent between.
fn adverts() -> impl Strategy<Value = (Format, Advert, IpAddr, IpAddr)> {
    let v4 = any::<[u8; 4]>().prop_map(IpAddr::from);
    let v6 = any::<[u8; 16]>().prop_map(IpAddr::from);
    let family = prop_oneof![
        (v4.clone(), v4.clone(), prop::collection::vec(v4, 1..=255)),
        (v6.clone(), v6.clone(), prop::collection::vec(v6, 1..=255)),
    ];
    (formats(), family, any::<u8>(), any::<u8>(), 1..=255_u32)
        .prop_filter("VRRPv2 is for IPv4", |(format, (source, ..), ..)| {
            source.is_ipv4() || matches!(format, Format::V3 { .. })
        })
        .prop_map(|(format, (source, destination, addresses), router_id, priority, units)| {
            let interval = format.intervals().0 * units;
            (format, Advert { router_id, priority, interval, addresses }, source, destination)
        })
}

proptest! {
    #[test]
    fn there_and_back((format, advert, source, destination) in adverts()) {
        let message = build(&advert, &format, source, destination);
        let received = Received { source, destination, ttl: 255, message: &message };
        let heard = parse(&received, &expecting(&advert, &format, &[source]));
        prop_assert_eq!(heard, Ok(Heard { advert, oddities: vec![] }));
    }

    #[test]
    fn the_checksum_is_what_others_make_it((format, advert, source, destination) in adverts()) {
        let message = build(&advert, &format, source, destination);
        let vrrp = IpNextHeaderProtocol(PROTOCOL);
        let pseudo = matches!(format, Format::V3 { checksum_as_v2: false });
        let other = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) if pseudo => {
                ipv4_checksum(&message, 3, &[], &source, &destination, vrrp)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                ipv6_checksum(&message, 3, &[], &source, &destination, vrrp)
            }
            _ => internet_checksum(&message, 3),
        };
        // 0 and 0xffff are the same number there.
        prop_assert_eq!(u16::from_be_bytes([message[6], message[7]]) % 0xffff, other % 0xffff);
    }

    #[test]
    fn no_bytes_do_harm(
        (format, advert, source, destination) in adverts(),
        garbage in prop::collection::vec(any::<u8>(), 0..100),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let peers = [source];
        let expected = expecting(&advert, &format, &peers);
        let mut message = build(&advert, &format, source, destination);
        for (at, value) in flips {
            let at = at.index(message.len());
            message[at] ^= value;
        }
        let cut = cut.index(message.len() + 1);
        for message in [&garbage[..], &message, &message[..cut]] {
            let received = Received { source, destination, ttl: 255, message };
            if let Ok(heard) = parse(&received, &expected) {
                prop_assert!(!heard.advert.interval.is_zero());
                prop_assert!(!heard.advert.addresses.is_empty());
            }
            if let Ok(received) = Received::from_ipv4(message) {
                prop_assert!(received.message.len() < message.len());
            }
            let _ = router_id(message);
        }
    }
}
