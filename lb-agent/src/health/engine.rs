use super::machine::Machine;
use super::probe::Finding;
use super::rhythm::Rhythm;
use super::target::Target;
use lb_common::api::{Health, Verdict};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
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
    /// Counts the calls of [`Engine::want`].
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
    /// How often it is wanted, as of the round of [`Engine::want`] that has last asked for it.
    uses: u32,
    round: u64,
}

impl Engine {
    /// Checks these targets from now on, and no others. What is known of those that stay is kept.
    /// A target may be named more than once, as by several services; the first time counts.
    pub fn want(&mut self, now: Instant, wanted: impl IntoIterator<Item = Wanted>) {
        self.round += 1;
        let round = self.round;
        let mut stay = 0;
        for wanted in wanted {
            let state = self.state_for(now, wanted);
            if state.round != round {
                state.round = round;
                state.uses = 0;
                stay += 1;
            }
            state.uses += 1;
        }
        if stay < self.states.len() {
            let unwanted = self.states.iter().filter(|(_, state)| state.round != round);
            for id in unwanted.map(|(&id, _)| id).collect::<Vec<_>>() {
                self.forget(id);
            }
        }
    }

    /// As [`want`](Self::want) with all that was wanted so far, without `out` and with `with`; for
    /// changes that are small beside the whole. A target goes when it is taken out as often as it
    /// was named.
    pub fn exchange(
        &mut self,
        now: Instant,
        out: impl IntoIterator<Item = Target>,
        with: impl IntoIterator<Item = Wanted>,
    ) {
        for wanted in with {
            self.state_for(now, wanted).uses += 1;
        }
        for target in out {
            let Some(&id) = self.ids.get(&target) else {
                continue;
            };
            if let Some(state) = self.states.get_mut(&id) {
                state.uses = state.uses.saturating_sub(1);
                if state.uses == 0 {
                    self.forget(id);
                }
            }
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

    /// The state of a target, which is new if nobody has wanted it so far.
    fn state_for(&mut self, now: Instant, Wanted { target, before }: Wanted) -> &mut State {
        let next = Id(self.next_id);
        let id = *self.ids.entry(target.clone()).or_insert(next);
        self.states.entry(id).or_insert_with(|| {
            self.next_id += 1;
            let state = State::new(now, target, before);
            self.due.insert((state.rhythm.due(), id));
            state
        })
    }

    fn forget(&mut self, id: Id) {
        let Some(state) = self.states.remove(&id) else {
            return;
        };
        self.ids.remove(&state.target);
        if state.running {
            self.orphans.push(id);
        } else {
            self.due.remove(&(state.rhythm.due(), id));
        }
    }
}

impl State {
    fn new(now: Instant, target: Target, before: Option<Verdict>) -> Self {
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
            uses: 0,
            round: 0,
        }
    }
}
