//! Hashes of clients: spread evenly however alike the clients are.

use lb_common::abi::Address;
use lb_common::datapath::hash;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const BUCKETS: usize = 64;
const CLIENTS: u32 = 16_384;
/// Chance alone makes about 63 of this, and more than 160 once in a thousand million times.
const CHI_SQUARE: f64 = 160.0;

proptest! {
    #[test]
    fn index_is_in_range(hash: u32, len in 1_u32..) {
        prop_assert!(hash::index(hash, len) < len);
    }

    #[test]
    fn index_follows_the_hash(one: u32, other: u32, len: u32) {
        let (low, high) = (one.min(other), one.max(other));
        prop_assert!(hash::index(low, len) <= hash::index(high, len));
    }

    #[test]
    fn sequential_addresses_anywhere(start: u32, step in 1_u32..=256) {
        let clients = (0..CLIENTS).map(|n| start.wrapping_add(n.wrapping_mul(step)));
        let chi_square = chi_square(clients.map(|n| hash::address(&v4(n))));
        prop_assert!(chi_square < CHI_SQUARE, "chi-square {}", chi_square);
    }

    #[test]
    fn networks_of_64_bits_anywhere(start: u64, step in 1_u64..=256) {
        let clients = (0..u64::from(CLIENTS)).map(|n| start.wrapping_add(n.wrapping_mul(step)));
        let chi_square = chi_square(clients.map(|n| hash::address(&v6(n, 1))));
        prop_assert!(chi_square < CHI_SQUARE, "chi-square {}", chi_square);
    }

    #[test]
    fn hosts_of_one_network(network: u64, start: u64) {
        let clients = (0..u64::from(CLIENTS)).map(|n| start.wrapping_add(n));
        let chi_square = chi_square(clients.map(|n| hash::address(&v6(network, n))));
        prop_assert!(chi_square < CHI_SQUARE, "chi-square {}", chi_square);
    }

    /// Linux gives even ports to connections.
    #[test]
    fn even_ports_of_one_client(address: u32) {
        let ports = (32_768..60_998_u16).step_by(2);
        let hashes = ports.map(|port| hash::source_and_port(&v4(address), port.to_be()));
        let chi_square = chi_square(hashes);
        prop_assert!(chi_square < CHI_SQUARE, "chi-square {}", chi_square);
    }

    #[test]
    fn few_ports_of_many_clients(start: u32, port: u16) {
        let clients = (0..CLIENTS).map(|n| (start.wrapping_add(n / 4), port.wrapping_add(n as u16 % 4)));
        let hashes = clients.map(|(n, port)| hash::source_and_port(&v4(n), port.to_be()));
        let chi_square = chi_square(hashes);
        prop_assert!(chi_square < CHI_SQUARE, "chi-square {}", chi_square);
    }
}

#[test]
fn index_of_nothing() {
    assert_eq!(hash::index(u32::MAX, 0), 0);
}

/// How unevenly hashes fall into buckets.
fn chi_square(hashes: impl Iterator<Item = u32>) -> f64 {
    let mut counts = [0_u32; BUCKETS];
    for hash in hashes {
        counts[hash::index(hash, BUCKETS as u32) as usize] += 1;
    }
    let expected = f64::from(counts.iter().sum::<u32>()) / BUCKETS as f64;
    counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
}

fn v4(bits: u32) -> Address {
    Address::from_v4(Ipv4Addr::from_bits(bits).octets())
}

fn v6(network: u64, host: u64) -> Address {
    Address::from_v6(Ipv6Addr::from_bits(u128::from(network) << 64 | u128::from(host)).octets())
}
