use super::apportion::apportion;
use std::collections::BTreeSet;

/// The longest round. One of 256 KB still fits the CPU's cache; a longer one is scaled down.
pub(super) const MAX_ROUND: u32 = 1 << 16;

/// One round of LVS's weighted round robin (`ip_vs_wrr_schedule` in
/// net/netfilter/ipvs/ip_vs_wrr.c): a threshold sinks from the largest weight to 1, and at each
/// step all servers whose weight reaches it have their turn. Weights are divided by their
/// greatest common divisor first, so each server has exactly that many turns; a round that would
/// be longer than [`MAX_ROUND`] is scaled down to that, or to one turn a server.
pub(super) fn round(weights: &[u32]) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let mut turns: Vec<u32> = weights.iter().map(|w| w / divisor).collect();
    if turns.iter().copied().map(u64::from).sum::<u64>() > u64::from(MAX_ROUND) {
        turns = apportion(&turns, MAX_ROUND);
    }

    let mut waiting: Vec<u32> =
        (0..turns.len() as u32).filter(|&i| turns[i as usize] > 0).collect();
    waiting.sort_by_key(|&i| turns[i as usize]);
    let mut slots = Vec::new();
    let mut eligible = BTreeSet::new();
    for threshold in (1..=turns.iter().copied().max().unwrap_or(0)).rev() {
        while let Some(server) = waiting.pop_if(|i| turns[*i as usize] >= threshold) {
            eligible.insert(server);
        }
        slots.extend(&eligible);
    }
    slots
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::round;

    #[test]
    fn order_is_that_of_lvs() {
        // The example of LVS's documentation: A, B and C with the weights 4, 3 and 2.
        assert_eq!(round(&[4, 3, 2]), [0, 0, 1, 0, 1, 2, 0, 1, 2]);
        assert_eq!(round(&[400, 300, 200]), round(&[4, 3, 2]));
        assert_eq!(round(&[1, 0, 3]), [2, 2, 0, 2]);
        assert_eq!(round(&[7, 7]), [0, 1]);
        assert!(round(&[0, 0]).is_empty());
        assert!(round(&[]).is_empty());
    }
}
