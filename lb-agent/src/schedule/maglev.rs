use super::{Candidate, apportion::apportion};
use lb_common::{abi::Address, datapath::hash};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
};

/// Slots a server in a table of the default size: shares of equal weights then differ by at most
/// one slot in a hundred.
const SLOTS_PER_SERVER: u64 = 100;

/// The smallest default table has the largest prime below 2^10 slots: a page.
const SMALLEST_LOG2: u32 = 10;

const FREE: u32 = u32::MAX;

/// A Maglev table (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
/// Balancer", NSDI 2016, section 3.4), weighted: each server claims slots in an order of its own,
/// taking turns in proportion to its weight, until it has its exact share.
///
/// The order depends on the server's address and port alone, so directors whose files list the
/// servers differently agree.
pub(super) fn table(size: Option<u32>, servers: &[Candidate]) -> Vec<u32> {
    let mut live: Vec<u32> =
        (0..servers.len() as u32).filter(|&i| servers[i as usize].weight > 0).collect();
    if live.is_empty() {
        return Vec::new();
    }
    live.sort_by_key(|&i| servers[i as usize].address);
    let size = match size {
        Some(size) => prime_from(size.max(live.len() as u32)),
        None => default_size(servers.len()),
    };

    let weights: Vec<u32> = live.iter().map(|&i| servers[i as usize].weight).collect();
    let shares = apportion(&weights, size);
    let mut claims: Vec<Claims> =
        live.iter().map(|&i| Claims::new(servers[i as usize], size)).collect();
    let mut turns: BinaryHeap<_> =
        weights.iter().enumerate().map(|(i, &w)| Reverse((turn(0, w), i))).collect();
    let mut taken = vec![0; live.len()];
    let mut slots = vec![FREE; size as usize];
    while let Some(mut next) = turns.peek_mut() {
        let Reverse((time, i)) = &mut *next;
        let i = *i;
        let slot = claims[i].next_free(&slots);
        slots[slot] = live[i];
        taken[i] += 1;
        if taken[i] < shares[i] {
            *time = turn(taken[i], weights[i]);
        } else {
            PeekMut::pop(next);
        }
    }
    slots
}

/// When a server of this weight has its turn after so many others of its own: what others are
/// there plays no part in it, so little moves when one of them leaves.
fn turn(taken: u32, weight: u32) -> u64 {
    ((2 * u64::from(taken) + 1) << 31) / u64::from(weight)
}

/// The slots of a table in the order in which a server claims them.
struct Claims {
    slot: u32,
    step: u32,
    size: u32,
}

impl Claims {
    fn new(server: Candidate, size: u32) -> Self {
        let address = Address::from(server.address.ip());
        let seed = hash::source_and_port(&address, server.address.port().to_be());
        let slot = scatter(u64::from(seed) << 1) % u64::from(size);
        let step = scatter(u64::from(seed) << 1 | 1) % (u64::from(size) - 1) + 1;
        Self { slot: slot as u32, step: step as u32, size }
    }

    /// The next slot that nobody has. The size is a prime, so the steps reach all slots; there
    /// must be a free one.
    fn next_free(&mut self, slots: &[u32]) -> usize {
        while slots[self.slot as usize] != FREE {
            self.slot =
                ((u64::from(self.slot) + u64::from(self.step)) % u64::from(self.size)) as u32;
        }
        self.slot as usize
    }
}

/// The finaliser of SplitMix64 (Steele et al., OOPSLA 2014).
fn scatter(value: u64) -> u64 {
    let mut z = value.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The sizes of the kernel's own Maglev tables (`primes` in net/netfilter/ipvs/ip_vs_mh.c), the
/// largest primes below powers of two. They lie far apart, because another size is another
/// table altogether: adding a server should not change it.
fn default_size(servers: usize) -> u32 {
    let wanted = SLOTS_PER_SERVER * servers as u64;
    (SMALLEST_LOG2..32)
        .map(|log2| prime_below(1 << log2))
        .find(|&size| u64::from(size) >= wanted)
        .unwrap_or_else(|| prime_below(1 << 31))
}

fn prime_below(limit: u32) -> u32 {
    (2..limit).rev().find(|&n| is_prime(n)).unwrap_or(2)
}

fn prime_from(start: u32) -> u32 {
    (start..).find(|&n| is_prime(n)).unwrap_or(2)
}

fn is_prime(n: u32) -> bool {
    n >= 2 && (2..).take_while(|d| d * d <= u64::from(n)).all(|d| u64::from(n) % d != 0)
}

#[cfg(test)]
mod tests {
    use super::{default_size, prime_from};

    #[test]
    fn sizes_are_those_of_the_kernel() {
        let sizes = [1, 10, 11, 40, 41, 81, 163, 327, 655, 656].map(default_size);
        assert_eq!(sizes, [1021, 1021, 2039, 4093, 8191, 8191, 16381, 32749, 65521, 131_071]);
        assert_eq!([0, 2, 3, 4, 90, 65537].map(prime_from), [2, 2, 3, 5, 97, 65537]);
    }
}
