//! Keeps neighbours warm. The data plane bypasses the kernel's own use of its neighbour entries,
//! so the kernel neither resolves them nor notices when one has another link-layer address: it is
//! to be asked, often enough to follow and seldom enough to bother nobody.

use super::topology::Hop;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// Pauses before the kernel is asked again to resolve a neighbour; the last one repeats. The
/// kernel itself sends three requests in three seconds (`mcast_solicit`, `retrans_time`).
const RESOLVE_AGAIN: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];
/// Shortest time between two checks of a stale neighbour. The kernel takes five seconds
/// (`delay_first_probe_time`) and its probes to decide.
const VERIFY_AGAIN: Duration = Duration::from_secs(5);
/// How many neighbours are asked about at a time.
const BATCH: usize = 64;
/// How many neighbours are kept warm because the data plane met them. When another one comes, the
/// oldest goes.
const GUESTS: usize = 1024;
/// A guest that isn't resolved after so many requests is dropped: it may not exist at all.
const GUEST_TRIES: usize = 3;
/// Guests that may come at once, and how fast that many may come again: clients can make the data
/// plane meet addresses that nobody has, and the kernel's table holds about a thousand.
const BURST: u32 = 64;
const REFILL: Duration = Duration::from_millis(10);

/// What a neighbour needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The kernel knows it well.
    Nothing,
    /// It is stale: the kernel is to look whether it is still there.
    Verify,
    /// It has no link-layer address: the kernel is to resolve it.
    Resolve,
}

/// Which neighbours the kernel is to be asked about, and when.
#[derive(Debug, Default)]
pub(super) struct Warmth {
    entries: BTreeMap<Hop, Entry>,
    due: BTreeSet<(Instant, Hop)>,
    /// Entries that only the data plane asked for, oldest first.
    guests: VecDeque<Hop>,
    /// When the bucket of guests to come is full again.
    full_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    need: Need,
    /// When it is due, if at all: also in [`Warmth::due`].
    at: Option<Instant>,
    /// When the kernel was asked last.
    asked: Option<Instant>,
    /// How often the kernel was asked to resolve it, in vain.
    tries: usize,
    guest: bool,
}

impl Warmth {
    /// Keeps a neighbour warm until it is forgotten.
    pub(super) fn keep(&mut self, hop: Hop, need: Need, now: Instant) {
        let entry = self.entries.entry(hop).or_insert(Entry::new(false));
        if entry.guest {
            entry.guest = false;
            self.guests.retain(|guest| *guest != hop);
        }
        self.observe(hop, need, now);
    }

    /// Keeps an unresolved neighbour warm as long as it can be resolved, if there is room.
    pub(super) fn invite(&mut self, hop: Hop, now: Instant) {
        if self.entries.contains_key(&hop) || !self.admit(now) {
            return;
        }
        if self.guests.len() == GUESTS
            && let Some(oldest) = self.guests.pop_front()
        {
            self.remove(&oldest);
        }
        self.guests.push_back(hop);
        self.entries.insert(hop, Entry::new(true));
        self.observe(hop, Need::Resolve, now);
    }

    /// A neighbour needs this from now on. Ignored for neighbours that aren't kept.
    pub(super) fn observe(&mut self, hop: Hop, need: Need, now: Instant) {
        let Some(entry) = self.entries.get_mut(&hop) else {
            return;
        };
        if entry.need == need {
            return;
        }
        entry.need = need;
        entry.tries = 0;
        let at = match need {
            Need::Nothing => None,
            Need::Resolve => Some(now),
            Need::Verify => Some(entry.asked.map_or(now, |asked| now.max(asked + VERIFY_AGAIN))),
        };
        self.schedule(hop, at);
    }

    /// Forgets a neighbour.
    pub(super) fn forget(&mut self, hop: &Hop) {
        if self.remove(hop).is_some_and(|entry| entry.guest) {
            self.guests.retain(|guest| guest != hop);
        }
    }

    /// Takes the neighbours that the kernel is to be asked about now; some of them, if they are
    /// many.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Hop> {
        let due: Vec<Hop> = self
            .due
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(BATCH)
            .map(|(_, hop)| *hop)
            .collect();
        due.into_iter().filter(|hop| self.ask(*hop, now)).collect()
    }

    /// When the next neighbour is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// All neighbours that are kept.
    pub(super) fn hops(&self) -> impl Iterator<Item = Hop> {
        self.entries.keys().copied()
    }

    /// Notes that the kernel is asked now and plans the next time; false for a hopeless guest,
    /// which is dropped.
    fn ask(&mut self, hop: Hop, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(&hop) else {
            return false;
        };
        if entry.guest && entry.tries == GUEST_TRIES {
            self.forget(&hop);
            return false;
        }
        entry.asked = Some(now);
        let pause = match entry.need {
            Need::Resolve => {
                let pause = RESOLVE_AGAIN[entry.tries.min(RESOLVE_AGAIN.len() - 1)];
                entry.tries += 1;
                pause
            }
            Need::Verify | Need::Nothing => VERIFY_AGAIN,
        };
        self.schedule(hop, Some(now + pause));
        true
    }

    fn schedule(&mut self, hop: Hop, at: Option<Instant>) {
        let Some(entry) = self.entries.get_mut(&hop) else {
            return;
        };
        if let Some(before) = entry.at {
            self.due.remove(&(before, hop));
        }
        entry.at = at;
        self.due.extend(at.map(|at| (at, hop)));
    }

    fn remove(&mut self, hop: &Hop) -> Option<Entry> {
        let entry = self.entries.remove(hop)?;
        if let Some(at) = entry.at {
            self.due.remove(&(at, *hop));
        }
        Some(entry)
    }

    /// Takes one from the bucket of guests to come, if it isn't empty.
    fn admit(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + REFILL;
        let admitted = full_at <= now + REFILL * BURST;
        if admitted {
            self.full_at = Some(full_at);
        }
        admitted
    }
}

impl Entry {
    fn new(guest: bool) -> Self {
        Self { need: Need::Nothing, at: None, asked: None, tries: 0, guest }
    }
}

#[cfg(test)]
#[path = "warm_tests.rs"]
mod tests;
