use super::machine::Machine;
use super::probe::Finding;
use super::rhythm::Rhythm;
use super::target::Target;
use lb_common::api::{Health, Verdict};
use std::{
    collections::{BTreeSet, HashMap, VecDeque, hash_map::Entry},
    time::Instant,
};

/// What is to be checked.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whom, and how.
    pub target: Target,
    /// What it counts as until its results say otherwise, if something is known of it already: an
    /// agent that starts again goes on with what the one before it knew. Without it, the check's
    /// own [`initial`](super::check::Check::initial) holds.
    pub before: Option<Verdict>,
}

/// A run that is to begin now.
#[derive(Clone, Debug)]
pub struct Start {
    /// To hand to [`Engine::finished`].
    pub id: Id,
    /// Whom to ask, and what.
    pub target: Target,
}

/// A check has changed its mind about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// About whom.
    pub target: Target,
    /// What the target is now.
    pub verdict: Verdict,
    /// Why, in words.
    pub cause: String,
}

/// A target for as long as it is wanted; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u64);

/// All targets: which of them are due, and what is known of them. Whoever drives it tells the
/// time, makes the runs and brings back what they find.
#[derive(Debug, Default)]
pub struct Engine {
    ids: HashMap<Target, Id>,
    states: HashMap<Id, State>,
    /// The targets that no run is under way for.
    due: BTreeSet<(Instant, Id)>,
    /// Targets whose verdict may be another than the one that was told of.
    news: VecDeque<Id>,
    /// Those forgotten while a run was under way.
    orphans: Vec<Id>,
    next_id: u64,
    round: u64,
}

#[derive(Debug)]
struct State {
    target: Target,
    machine: Machine,
    rhythm: Rhythm,
    running: bool,
    /// The verdict as last told of by [`Engine::take_change`].
    told: Verdict,
    in_news: bool,
    /// The round of [`Engine::want`] that has last asked for it.
    round: u64,
}

impl Engine {
    /// Checks these targets from now on, and no others. What is known of those that stay is kept.
    /// A target may be named more than once; the first time counts.
    pub fn want(&mut self, now: Instant, wanted: impl IntoIterator<Item = Wanted>) {
        self.round += 1;
        for wanted in wanted {
            match self.ids.entry(wanted.target) {
                Entry::Occupied(known) => {
                    if let Some(state) = self.states.get_mut(known.get()) {
                        state.round = self.round;
                    }
                }
                Entry::Vacant(unknown) => {
                    let id = Id(self.next_id);
                    self.next_id += 1;
                    let target = unknown.key().clone();
                    let state = State::new(now, target, wanted.before, self.round);
                    unknown.insert(id);
                    self.due.insert((state.rhythm.due(), id));
                    self.states.insert(id, state);
                }
            }
        }
        if self.states.values().any(|state| state.round != self.round) {
            self.forget_unwanted();
        }
    }

    /// When [`begin`](Self::begin) has something to begin.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(due, _)| due)
    }

    /// The next run that is due, if one is. It counts as under way until it has
    /// [`finished`](Self::finished), and no other run for its target begins before that.
    pub fn begin(&mut self, now: Instant) -> Option<Start> {
        while let Some(&(due, id)) = self.due.first().filter(|&&(due, _)| due <= now) {
            self.due.remove(&(due, id));
            let Some(state) = self.states.get_mut(&id) else {
                continue;
            };
            state.rhythm.skip_missed(now);
            if state.rhythm.due() <= now {
                state.running = true;
                return Some(Start { id, target: state.target.clone() });
            }
            self.due.insert((state.rhythm.due(), id));
        }
        None
    }

    /// A run that had begun at `began` has ended now. If its target is no longer wanted, nothing
    /// happens.
    pub fn finished(&mut self, now: Instant, id: Id, began: Instant, finding: Finding) {
        let Some(state) = self.states.get_mut(&id).filter(|state| state.running) else {
            return;
        };
        state.running = false;
        state.rhythm.advance();
        self.due.insert((state.rhythm.due(), id));
        let latency = now.saturating_duration_since(began);
        let changed = state.machine.take_in(now, latency, finding, state.target.check());
        if changed && !state.in_news {
            state.in_news = true;
            self.news.push_back(id);
        }
    }

    /// The next change that hasn't been told of. A target that has changed to and fro meanwhile
    /// has not changed, so that there are never more changes than targets.
    pub fn take_change(&mut self) -> Option<Change> {
        while let Some(id) = self.news.pop_front() {
            let Some(state) = self.states.get_mut(&id) else {
                continue;
            };
            state.in_news = false;
            let verdict = state.machine.verdict();
            if verdict != state.told {
                state.told = verdict;
                let cause = state.machine.cause().to_owned();
                return Some(Change { target: state.target.clone(), verdict, cause });
            }
        }
        None
    }

    /// Whether there may be a change that hasn't been told of.
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The runs that are under way in vain, as their targets are no longer wanted.
    pub fn take_orphans(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.orphans)
    }

    /// What a target is, as far as [`take_change`](Self::take_change) has told; none if it isn't
    /// wanted.
    pub fn verdict(&self, target: &Target) -> Option<Verdict> {
        self.state(target).map(|state| state.told)
    }

    /// All that is known of a target; none if it isn't wanted.
    pub fn health(&self, now: Instant, target: &Target) -> Option<Health> {
        self.state(target).map(|State { target, machine, .. }| Health {
            check: target.to_string(),
            verdict: machine.verdict(),
            since: now.saturating_duration_since(machine.since()).as_secs(),
            cause: machine.cause().to_owned(),
            last: machine.last(now).collect(),
        })
    }

    fn state(&self, target: &Target) -> Option<&State> {
        self.states.get(self.ids.get(target)?)
    }

    /// Forgets what the last round hasn't asked for.
    fn forget_unwanted(&mut self) {
        self.states.retain(|&id, state| {
            let keep = state.round == self.round;
            if !keep {
                self.ids.remove(&state.target);
                if state.running {
                    self.orphans.push(id);
                } else {
                    self.due.remove(&(state.rhythm.due(), id));
                }
            }
            keep
        });
        self.news.retain(|id| self.states.contains_key(id));
    }
}

impl State {
    fn new(now: Instant, target: Target, before: Option<Verdict>, round: u64) -> Self {
        let check = target.check();
        let verdict = match (before, check.initial) {
            (Some(before), _) => before,
            (None, Verdict::Up) => Verdict::Up,
            (None, Verdict::Down | Verdict::Checking) => Verdict::Checking,
        };
        Self {
            machine: Machine::new(now, verdict),
            rhythm: Rhythm::new(now, check.interval, target.digest()),
            target,
            running: false,
            told: verdict,
            in_news: false,
            round,
        }
    }
}
