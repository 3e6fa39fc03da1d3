//! Packets from text against packets from etherparse's own builder.

use crate::packet::{Family, Host, Hosts, Packet, show};
use etherparse::PacketBuilder;

fn hosts() -> Hosts {
    let host = |mac, addresses: [&str; 2]| Host {
        mac: Some([2, 0, 0, 0, 0, mac]),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    };
    let a = host(1, ["192.0.2.1", "2001:db8::1"]);
    let b = host(2, ["192.0.2.2", "2001:db8::2"]);
    Hosts([("a".to_owned(), a), ("b".to_owned(), b)].into())
}

fn build(text: &str) -> Vec<u8> {
    Packet::parse(text, Family::V4, &hosts()).unwrap().build()
}

const A: [u8; 6] = [2, 0, 0, 0, 0, 1];
const B: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn v6(last: u8) -> [u8; 16] {
    let mut octets = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    octets[15] = last;
    octets
}

#[test]
fn tcp_over_ipv4() {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(A, B)
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 9)
        .tcp(7, 8, 1000, 64000)
        .syn()
        .ack(2000)
        .write(&mut frame, &[0, 1, 2])
        .unwrap();
    assert_eq!(build("eth a > b / ip a > b ttl 9 / tcp 7 > 8 SA / data 3"), frame);
}

#[test]
fn udp_over_ipv6_in_a_vlan() {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(A, B)
        .single_vlan(5.try_into().unwrap())
        .ipv6(v6(1), v6(2), 64)
        .udp(7, 8)
        .write(&mut frame, &[0xab])
        .unwrap();
    assert_eq!(build("eth a > b / vlan 5 / ip6 a > b / udp 7 > 8 / bytes ab"), frame);
}

#[test]
fn icmp_of_both_families() {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(A, B)
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .icmpv4_raw(3, 4, [0, 0, 5, 0])
        .write(&mut frame, &[0, 1, 2, 3, 4])
        .unwrap();
    assert_eq!(build("eth a > b / ip4 a > b / icmp too-big mtu 1280 quoting 5 / data 99"), frame);

    let mut frame = Vec::new();
    PacketBuilder::ethernet2(A, B)
        .ipv6(v6(1), v6(2), 64)
        .icmpv6_raw(2, 0, [0, 0, 5, 0])
        .write(&mut frame, &[0, 1, 2])
        .unwrap();
    assert_eq!(build("eth a > b / ip6 a > b / icmp too-big mtu 1280 / data 3"), frame);
}

#[test]
fn fields_that_are_told_stand_as_told() {
    let frame = build("eth a > b type 0x1234 / ip4 a > b version 5 ihl 15 len 9 proto 99 sum 3");
    assert_eq!(frame[12..18], [0x12, 0x34, 0x5f, 0, 0, 9]);
    assert_eq!(frame[23..26], [99, 0, 3]);
    let off = build("eth a > b / ip4 a > b / udp 1 > 2 sum off 1");
    let right = build("eth a > b / ip4 a > b / udp 1 > 2");
    let sum = |frame: &[u8]| u16::from_be_bytes([frame[40], frame[41]]);
    assert_eq!(sum(&off), sum(&right) + 1);
    assert_eq!(build("eth a > b / ip4 a > b / data 9 / pad 60 / cut 50").len(), 50);
}

#[test]
fn what_is_shown_is_what_was_meant() {
    let text = "eth a > b / svlan 7 / ip6 a > b / tcp 7 > 8 SA / data 3";
    let shown = show(&build(text), &hosts());
    assert_eq!(
        shown,
        "eth a > b / svlan 7 / ip6 a > b ttl 64 tos 0x0 len 23 / tcp 7 > 8 SA / data 3"
    );
}

#[test]
fn what_is_no_packet_is_refused() {
    let cases = [
        ("ether a > b", "no layer"),
        ("eth a b", "comes ` > `"),
        ("eth a > c", "no host"),
        ("ip4 a > 2001:db8::1", "not IPv4"),
        ("ip4 a > b hops 3", "no field"),
        ("ip4 a > b ttl 256", "too large"),
        ("tcp 1 > 2 X", "no flag"),
        ("tcp 1 > 2 S opts 010101", "words of 4 bytes"),
        ("icmp nothing", "no kind"),
        ("data 1 2", "too much"),
        ("bytes 0g", "invalid digit"),
    ];
    for (text, complaint) in cases {
        let error = Packet::parse(text, Family::V4, &hosts()).unwrap_err();
        assert!(format!("{error:#}").contains(complaint), "{text}: {error:#}");
    }
}
