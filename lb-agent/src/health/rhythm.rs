use std::time::{Duration, Instant};

/// When the runs of one target are due. They keep a phase of their own, so that the runs of many
/// targets stay as far apart as they were spread, however late single ones begin.
#[derive(Debug)]
pub(super) struct Rhythm {
    /// Runs are due at this time and all whole intervals from it.
    phase: Instant,
    interval: Duration,
    due: Instant,
}

impl Rhythm {
    /// The first run is due within the interval, and within this, whichever is less: something is
    /// to be known of a new server soon.
    pub(super) const SOON: Duration = Duration::from_secs(1);

    /// Shorter intervals count as this one.
    const SHORTEST: Duration = Duration::from_millis(1);

    /// The rhythm of a target that is new. `spread` places it: a number that is evenly
    /// distributed over the targets.
    pub(super) fn new(now: Instant, interval: Duration, spread: u64) -> Self {
        let interval = interval.max(Self::SHORTEST);
        let phase = now + part(interval, spread);
        Self { phase, interval, due: now + part(interval.min(Self::SOON), spread) }
    }

    /// When the next run is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Leaves out the runs that were missed: one is still made if it is late by less than an
    /// interval. So a machine that stood still doesn't make up for all of them at once.
    pub(super) fn skip_missed(&mut self, now: Instant) {
        if now >= self.due + self.interval {
            self.due = self.from(now);
        }
    }

    /// The run that was due is made: on to the next one, which is half an interval away from it
    /// at least (the first one needn't be in phase).
    pub(super) fn advance(&mut self) {
        self.due = self.from(self.due + self.interval / 2);
    }

    /// The first time in phase that isn't before `time`.
    fn from(&self, time: Instant) -> Instant {
        if time <= self.phase {
            return self.phase;
        }
        let interval = self.interval.as_nanos();
        let past = (time - self.phase).as_nanos() % interval;
        time + nanoseconds((interval - past) % interval)
    }
}

/// As much of a duration as `of` is of 2^64.
fn part(duration: Duration, of: u64) -> Duration {
    nanoseconds(duration.as_nanos().saturating_mul(of.into()) >> 64)
}

fn nanoseconds(count: u128) -> Duration {
    Duration::from_nanos(count.try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    /// A quarter.
    const SPREAD: u64 = 1 << 62;

    #[test]
    fn first_soon_then_in_phase() {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(start, 10_000 * MS, SPREAD);
        let mut due = vec![];
        for _ in 0..4 {
            due.push(rhythm.due() - start);
            rhythm.advance();
        }
        assert_eq!(due, [250 * MS, 12_500 * MS, 22_500 * MS, 32_500 * MS]);
    }

    #[test]
    fn a_short_interval_is_in_phase_from_the_first() {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(start, 1000 * MS, SPREAD);
        assert_eq!(rhythm.due(), start + 250 * MS);
        rhythm.advance();
        assert_eq!(rhythm.due(), start + 1250 * MS);
    }

    #[test]
    fn late_ones_are_made_and_missed_ones_left_out() {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(start, 1000 * MS, SPREAD);
        rhythm.skip_missed(start + 1249 * MS);
        assert_eq!(rhythm.due(), start + 250 * MS);
        rhythm.skip_missed(start + 7600 * MS);
        assert_eq!(rhythm.due(), start + 8250 * MS);
        rhythm.skip_missed(start + 9250 * MS);
        assert_eq!(rhythm.due(), start + 9250 * MS);
    }

    #[test]
    fn the_ends_of_the_range_are_none() {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(start, Duration::ZERO, u64::MAX);
        rhythm.advance();
        assert!(rhythm.due() > start);
        assert!(Rhythm::new(start, 1000 * MS, u64::MAX).due() < start + 1000 * MS);
        assert_eq!(Rhythm::new(start, 1000 * MS, 0).due(), start);
    }
}
