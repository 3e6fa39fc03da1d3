//! The data plane counts connections as they begin and end, but not those that end without a word:
//! what it has missed shows when the flows themselves are counted.

use super::{Counts, Place};
use std::time::Duration;

/// What a look at all flows has found.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The connections of each server.
    pub counts: Counts,
    /// How long it took.
    pub took: Duration,
    /// What the data plane had counted when the look began, by server.
    pub(super) before: Vec<i64>,
    /// And when it ended.
    pub(super) after: Vec<i64>,
}

impl Look {
    /// What to add to the data plane's counts, by server. A count between those before and after
    /// the look is no drift, for flows came and went meanwhile. Only flows of the servers that
    /// `is_current` are counted.
    pub fn drift(&self, is_current: impl Fn(Place) -> bool) -> Vec<(u32, i64)> {
        let Self { counts, before, after, .. } = self;
        let mut counted = vec![0i64; before.len().min(after.len())];
        for (place, count) in counts.iter().filter(|(place, _)| is_current(*place)) {
            if let Some(counted) = counted.get_mut(place.0 as usize) {
                *counted += i64::try_from(count.total()).unwrap_or(i64::MAX);
            }
        }
        (0..)
            .zip(counted)
            .zip(before.iter().zip(after))
            .filter_map(|((server, counted), (&before, &after))| {
                let (low, high) = (before.min(after), before.max(after));
                let delta = if counted > high { counted - high } else { (counted - low).min(0) };
                (delta != 0).then_some((server, delta))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_common::abi::{Address, Flow, FlowKey, direction, protocol, state};

    #[test]
    fn only_what_movement_does_not_explain_is_drift() {
        let mut counts = Counts::default();
        for (server, flows) in [(0, 5), (1, 5), (2, 5), (9, 5)] {
            for port in 0..flows {
                let mut key = FlowKey::of_addresses(
                    Address::from_v4([198, 51, 100, 1]),
                    Address::from_v4([192, 0, 2, 1]),
                    protocol::TCP,
                );
                key.source_port = port;
                let flow = Flow {
                    virtual_address: key.destination,
                    server,
                    generation: 1,
                    service: 0,
                    seen: 100,
                    timeout: 60,
                    virtual_port: 0,
                    state: state::ESTABLISHED,
                    direction: direction::REQUEST,
                };
                counts.add(&key, &flow, 100);
            }
        }
        let (before, after) = (vec![5, 3, 9, -2], vec![7, 4, 8, 0]);
        let look = Look { counts, before, after, ..Look::default() };
        assert_eq!(look.drift(|_| true), [(1, 1), (2, -3)]);
        let current = |place: Place| place.0 != 1;
        assert_eq!(look.drift(current), [(1, -3), (2, -3)], "flows of another server before");
    }
}
