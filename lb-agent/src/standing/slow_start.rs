//! A server that has come up takes its share step by step.

use std::time::{Duration, Instant};

/// In so many equal steps; each is a new table.
const STEPS: u32 = 10;

/// Weights from here on can be divided by the steps as they are; smaller ones are multiplied first.
const FINE: u32 = 100;

/// How far the members of a service are on their way to their whole weight.
pub(super) struct Ramp {
    length: Duration,
    now: Instant,
    /// What weights are multiplied by; 1 while nobody rises.
    scale: u32,
    /// When the next step is due.
    pub(super) next: Option<Instant>,
}

impl Ramp {
    /// For members that serve: their weights, and when they came up.
    pub(super) fn new(
        length: Duration,
        members: impl Iterator<Item = (u32, Option<Instant>)>,
        now: Instant,
    ) -> Self {
        let mut ramp = Self { length, now, scale: 1, next: None };
        let mut heaviest = 0;
        for (weight, up_since) in members {
            heaviest = heaviest.max(weight);
            if let Some((step, up_since)) = up_since.and_then(|at| Some((ramp.step(at)?, at))) {
                let due = up_since + length / STEPS * step;
                ramp.next = Some(ramp.next.map_or(due, |next| next.min(due)));
            }
        }
        if ramp.next.is_some() && heaviest < FINE {
            ramp.scale = STEPS;
        }
        ramp
    }

    /// The share of a member of this weight.
    pub(super) fn share(&self, weight: u32, up_since: Option<Instant>) -> u32 {
        let whole = weight.saturating_mul(self.scale);
        match up_since.and_then(|since| self.step(since)) {
            Some(step) => (u64::from(whole) * u64::from(step)).div_ceil(STEPS.into()) as u32,
            None => whole,
        }
    }

    /// Whether a member that came up then has less than its weight.
    pub(super) fn is_rising(&self, up_since: Option<Instant>) -> bool {
        up_since.is_some_and(|since| self.step(since).is_some())
    }

    /// The step that a member is on, from 1; none when it has reached its weight.
    fn step(&self, up_since: Instant) -> Option<u32> {
        let step = self.length / STEPS;
        let elapsed = self.now.saturating_duration_since(up_since);
        if step.is_zero() || elapsed >= self.length {
            return None;
        }
        let done = (elapsed.as_nanos() / step.as_nanos()).min(u128::from(STEPS - 1));
        Some(done as u32 + 1)
    }
}
