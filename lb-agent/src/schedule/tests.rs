//! What operators count on, over all schedulers.

use super::{Candidate, interleave::MAX_ROUND, table};
use lb_common::api::Scheduler;
use proptest::prelude::*;
use std::{collections::HashMap, net::SocketAddr};

fn server(number: u32, weight: u32) -> Candidate {
    let [_, high, middle, low] = number.to_be_bytes();
    Candidate { address: SocketAddr::from(([10, high, middle, low], 80)), weight }
}

fn servers(weights: &[u32]) -> Vec<Candidate> {
    weights.iter().zip(1..).map(|(&weight, number)| server(number, weight)).collect()
}

fn counts(table: &[u32], servers: usize) -> Vec<usize> {
    let mut counts = vec![0; servers];
    for &slot in table {
        counts[slot as usize] += 1;
    }
    counts
}

fn addresses(table: &[u32], servers: &[Candidate]) -> Vec<SocketAddr> {
    table.iter().map(|&slot| servers[slot as usize].address).collect()
}

/// Slots that changed hands although the server that had them is still there.
fn moved(before: &[SocketAddr], after: &[SocketAddr], gone: SocketAddr) -> usize {
    before.iter().zip(after).filter(|(old, new)| **old != gone && old != new).count()
}

fn weights() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![Just(0), Just(1), 0u32..=10, 0u32..=1000], 0..40)
}

#[test]
fn no_server_no_slots() {
    for &scheduler in Scheduler::ALL {
        assert!(table(scheduler, None, &[]).is_empty());
        assert!(table(scheduler, None, &servers(&[0, 0])).is_empty());
    }
}

#[test]
fn a_round_is_bounded_and_nobody_vanishes() {
    let weights: Vec<u32> = (1..=1000).collect();
    let table = table(Scheduler::Wrr, None, &servers(&weights));
    assert_eq!(table.len(), MAX_ROUND as usize);
    assert!(counts(&table, weights.len()).iter().all(|&count| count > 0));
}

#[test]
fn maglev_is_even() {
    for count in [2, 3, 10, 100] {
        let table = table(Scheduler::Mh, Some(65537), &servers(&vec![1; count]));
        assert_eq!(table.len(), 65537);
        let mean = 65537.0 / count as f64;
        for slots in counts(&table, count) {
            assert!((slots as f64 - mean).abs() <= mean / 100.0, "{slots} of {mean} slots");
        }
    }
}

#[test]
fn maglev_moves_little_when_a_server_leaves() {
    let all = servers(&[1; 100]);
    let before = addresses(&table(Scheduler::Mh, Some(65537), &all), &all);
    for gone in [0, 42, 99] {
        let mut left = all.clone();
        left.remove(gone);
        let after = addresses(&table(Scheduler::Mh, Some(65537), &left), &left);
        let moved = moved(&before, &after, all[gone].address);
        assert!(moved <= 65537 * 2 / 100, "{moved} slots moved");

        // To drain it is the same as to remove it.
        let mut drained = all.clone();
        drained[gone].weight = 0;
        assert_eq!(after, addresses(&table(Scheduler::Mh, Some(65537), &drained), &drained));
    }
}

#[test]
fn maglev_takes_any_size() {
    let servers = servers(&[1, 2, 3]);
    for (size, expected) in [(0, 3), (1, 3), (4, 5), (6, 7), (1021, 1021)] {
        assert_eq!(table(Scheduler::Mh, Some(size), &servers).len(), expected);
    }
}

proptest! {
    #[test]
    fn a_round_has_each_server_as_often_as_its_weight(weights in weights()) {
        let servers = servers(&weights);
        let alike: Vec<usize> = weights.iter().map(|&w| usize::from(w > 0)).collect();
        let comparing = [Scheduler::Lc, Scheduler::Wlc, Scheduler::Sed, Scheduler::Nq];
        for scheduler in comparing.into_iter().chain([Scheduler::Rr]) {
            let counts = counts(&table(scheduler, None, &servers), servers.len());
            prop_assert_eq!(&counts, &alike);
        }
        for scheduler in [Scheduler::Wrr, Scheduler::Sh, Scheduler::Dh] {
            let table = table(scheduler, None, &servers);
            let counts = counts(&table, servers.len());
            let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
            for (&weight, count) in weights.iter().zip(counts) {
                prop_assert_eq!(count as u64 * total, u64::from(weight) * table.len() as u64);
            }
        }
    }

    #[test]
    fn maglev_shares_are_exact_to_a_slot(weights in weights(), size in 200u32..3000) {
        let servers = servers(&weights);
        let table = table(Scheduler::Mh, Some(size), &servers);
        let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        let small = weights.iter().filter(|&&w| u64::from(w) * (table.len() as u64) < total).count();
        for (&weight, count) in weights.iter().zip(counts(&table, servers.len())) {
            prop_assert_eq!(weight > 0, count > 0);
            // Those who would have no slot of their own get theirs from the others.
            let share = u64::from(weight) as f64 / total.max(1) as f64 * table.len() as f64;
            prop_assert!((count as f64 - share).abs() <= 1.0 + small as f64);
        }
    }

    #[test]
    fn maglev_doesnt_look_at_the_order(
        (ordered, shuffled) in weights().prop_flat_map(|weights| {
            let ordered = servers(&weights);
            (Just(ordered.clone()), Just(ordered).prop_shuffle())
        }),
    ) {
        let one = table(Scheduler::Mh, None, &ordered);
        let other = table(Scheduler::Mh, None, &shuffled);
        prop_assert_eq!(addresses(&one, &ordered), addresses(&other, &shuffled));
    }

    #[test]
    fn maglev_gives_a_leavers_slots_in_proportion(count in 2usize..20) {
        let all = servers(&vec![1; count]);
        let before = table(Scheduler::Mh, Some(65537), &all);
        let after = table(Scheduler::Mh, Some(65537), &all[..count - 1]);
        let mut heirs: HashMap<u32, usize> = HashMap::new();
        for (old, new) in before.iter().zip(&after) {
            if *old as usize == count - 1 {
                *heirs.entry(*new).or_default() += 1;
            }
        }
        let mean = 65537 / count / (count - 1);
        for heir in 0..count - 1 {
            let got = heirs.get(&(heir as u32)).copied().unwrap_or(0);
            prop_assert!(got > mean / 2 && got < mean * 2, "{got} of {mean}");
        }
    }
}
