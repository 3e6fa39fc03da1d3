use std::cmp::Reverse;

/// Divides `total` seats in proportion to the weights, by largest remainders; of equal
/// remainders the first wins. A weight above 0 gets at least one seat, so with fewer seats than
/// such weights each gets exactly one, whatever `total` says.
pub(super) fn apportion(weights: &[u32], total: u32) -> Vec<u32> {
    let mut seats = vec![0; weights.len()];
    let mut rest: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] > 0).collect();
    let mut weight: u64 = rest.iter().map(|&i| u64::from(weights[i])).sum();
    let mut left = u64::from(total).max(rest.len() as u64);

    // Whoever is entitled to less than one seat gets one; the others share what is left.
    rest.sort_by_key(|&i| Reverse(weights[i]));
    while let Some(&last) = rest.last()
        && u64::from(weights[last]) * left < weight
    {
        rest.pop();
        seats[last] = 1;
        weight -= u64::from(weights[last]);
        left -= 1;
    }

    let mut remainders = Vec::with_capacity(rest.len());
    let mut given = 0;
    for i in rest {
        let entitled = u64::from(weights[i]) * left;
        seats[i] = (entitled / weight) as u32;
        given += entitled / weight;
        remainders.push((Reverse(entitled % weight), i));
    }
    remainders.sort_unstable();
    for (_, i) in remainders.into_iter().take((left - given) as usize) {
        seats[i] += 1;
    }
    seats
}

#[cfg(test)]
mod tests {
    use super::apportion;
    use proptest::prelude::*;

    #[test]
    fn largest_remainders_win() {
        assert_eq!(apportion(&[5, 3, 2], 10), [5, 3, 2]);
        assert_eq!(apportion(&[5, 3, 2], 7), [4, 2, 1]);
        assert_eq!(apportion(&[1, 1, 1], 4), [2, 1, 1]);
        assert_eq!(apportion(&[1, 1000, 0], 10), [1, 9, 0]);
        assert_eq!(apportion(&[0, 0], 10), [0, 0]);
        assert_eq!(apportion(&[7, 1, 1], 2), [1, 1, 1]);
    }

    proptest! {
        #[test]
        fn every_seat_is_given_and_nobody_vanishes(
            weights in proptest::collection::vec(0u32..=1000, 1..50),
            total in 0u32..5000,
        ) {
            let seats = apportion(&weights, total);
            let live = weights.iter().filter(|&&w| w > 0).count() as u32;
            prop_assert_eq!(seats.iter().sum::<u32>(), if live > 0 { total.max(live) } else { 0 });
            for (weight, seats) in weights.iter().zip(&seats) {
                prop_assert_eq!(*weight > 0, *seats > 0);
            }
        }
    }
}
