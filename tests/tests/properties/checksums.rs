//! Incremental checksums equal those that etherparse computes from scratch.

use lb_common::abi::Address;
use lb_common::wire::checksum::Sum;
use lb_tests::generate::checksum;
use proptest::collection::vec;
use proptest::prelude::*;

/// Words with those among them at which one's complement goes wrong.
fn word() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(0xffff), Just(1), Just(0xfffe), any::<u16>()]
}

/// Two of one family.
fn addresses() -> impl Strategy<Value = [Address; 2]> {
    let v6 = || {
        [word(), word(), word(), word(), word(), word(), word(), word()].prop_map(|words| {
            let address = std::net::Ipv6Addr::from(words);
            Address::from_v6(address.octets())
        })
    };
    prop_oneof![any::<[[u8; 4]; 2]>().prop_map(|pair| pair.map(Address::from_v4)), [v6(), v6()]]
}

/// The full checksum as it lies in memory. No packet is all zeros, so there is a word that is not.
fn full(words: &[u16]) -> u16 {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    u16::from_ne_bytes(checksum(&[&bytes, &[0, 6]]).to_be_bytes())
}

fn words(address: &Address) -> Vec<u16> {
    let octets = address.octets();
    octets.chunks(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn sum_equals_the_full_one(words in vec(any::<u32>(), 0..64)) {
        let sum = words.iter().fold(Sum::ZERO, |sum, word| sum.add(*word));
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        prop_assert_eq!(sum.checksum().to_ne_bytes(), checksum(&[&bytes]).to_be_bytes());
    }

    #[test]
    fn replaced_words(
        (before, changes) in (1..40_usize).prop_flat_map(|length| {
            (vec(word(), length), vec((0..length, word()), 1..6))
        }),
    ) {
        let mut after = before.clone();
        let mut change = Sum::ZERO;
        for (at, new) in changes {
            change = change.replace(after[at], new);
            after[at] = new;
        }
        prop_assert_eq!(change.update(full(&before)), full(&after));
    }

    #[test]
    fn a_replaced_address([old, new] in addresses(), rest in vec(word(), 0..20)) {
        let change = Sum::ZERO.replace_address(&old, &new);
        let with = |address: &Address| full(&[words(address), rest.clone()].concat());
        prop_assert_eq!(change.update(with(&old)), with(&new));
    }
}

/// Every value that a word and a checksum can have.
#[test]
fn every_word_in_place_of_an_edge() {
    for old in [0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff] {
        for new in 0..=u16::MAX {
            let change = Sum::ZERO.replace(old, new);
            assert_eq!(change.update(full(&[old])), full(&[new]), "{old:#x} to {new:#x}");
        }
    }
}
