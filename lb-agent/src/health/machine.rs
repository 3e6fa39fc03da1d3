use super::check::Check;
use super::probe::Finding;
use lb_common::api::{CheckResult, Verdict};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// What is known of one target, from the results of its check.
///
/// | verdict | a run passes | a run fails |
/// | --- | --- | --- |
/// | checking | up | down |
/// | up | | down, if it is the `fall`th in a row |
/// | down | up, if it is the `rise`th in a row | |
#[derive(Debug)]
pub(super) struct Machine {
    verdict: Verdict,
    since: Instant,
    cause: Arc<str>,
    /// Results in a row that speak against the verdict.
    against: u32,
    /// Oldest first.
    last: VecDeque<Run>,
}

/// One run; many of these are kept, so it is small.
#[derive(Debug)]
struct Run {
    ended: Instant,
    cause: Arc<str>,
    /// Microseconds.
    latency: u32,
    passed: bool,
}

impl Machine {
    /// How many results are kept.
    pub(super) const HISTORY: usize = 16;

    /// Begins with this verdict.
    pub(super) fn new(now: Instant, verdict: Verdict) -> Self {
        Self {
            verdict,
            since: now,
            cause: "not checked yet".into(),
            against: 0,
            last: VecDeque::new(),
        }
    }

    /// Takes in the result of a run that has ended now, and says whether the verdict is another.
    pub(super) fn take_in(
        &mut self,
        now: Instant,
        latency: Duration,
        finding: Finding,
        check: &Check,
    ) -> bool {
        let cause = self.shared(finding.cause);
        self.keep(Run {
            ended: now,
            cause: cause.clone(),
            latency: latency.as_micros().try_into().unwrap_or(u32::MAX),
            passed: finding.passed,
        });
        let speaks_for = if finding.passed { Verdict::Up } else { Verdict::Down };
        let needed = match self.verdict {
            verdict if verdict == speaks_for => {
                self.against = 0;
                self.cause = cause;
                return false;
            }
            Verdict::Checking => 1,
            Verdict::Up => check.fall,
            Verdict::Down => check.rise,
        };
        self.against = self.against.saturating_add(1);
        if self.against < needed {
            return false;
        }
        self.against = 0;
        self.verdict = speaks_for;
        self.since = now;
        self.cause = cause;
        true
    }

    /// Whether the target is up.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Since when.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Why, in words: of the last result that spoke for the verdict.
    pub(super) fn cause(&self) -> &str {
        &self.cause
    }

    /// The last results, newest first.
    pub(super) fn last(&self, now: Instant) -> impl Iterator<Item = CheckResult> {
        self.last.iter().rev().map(move |run| CheckResult {
            ago: whole(now.saturating_duration_since(run.ended).as_millis()),
            passed: run.passed,
            latency: run.latency.into(),
            cause: (*run.cause).to_owned(),
        })
    }

    /// Causes repeat: each is kept once.
    fn shared(&self, cause: String) -> Arc<str> {
        let mut known = self.last.iter().rev().map(|run| &run.cause);
        known.find(|known| ***known == *cause).cloned().unwrap_or_else(|| cause.into())
    }

    fn keep(&mut self, run: Run) {
        if self.last.len() == Self::HISTORY {
            self.last.pop_front();
        }
        self.last.push_back(run);
    }
}

fn whole(count: u128) -> u64 {
    count.try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::check::Probe;
    use super::*;

    const CHECK: Check = Check {
        probe: Probe::Tcp,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        rise: 2,
        fall: 3,
        initial: Verdict::Down,
        address: None,
        port: None,
    };

    /// Feeds `+` (passed) and `-` (failed), and writes down each verdict that follows: `?`, `+`
    /// or `-`.
    fn verdicts(initial: Verdict, results: &str) -> String {
        let now = Instant::now();
        let mut machine = Machine::new(now, initial);
        let mut verdicts = String::new();
        for result in results.chars() {
            let before = machine.verdict();
            let finding = Finding { passed: result == '+', cause: result.to_string() };
            let changed = machine.take_in(now, Duration::ZERO, finding, &CHECK);
            assert_eq!(changed, machine.verdict() != before);
            verdicts.push(match machine.verdict() {
                Verdict::Checking => '?',
                Verdict::Up => '+',
                Verdict::Down => '-',
            });
        }
        verdicts
    }

    #[test]
    fn rise_and_fall() {
        // The first result decides if nothing is known.
        assert_eq!(verdicts(Verdict::Checking, "+--+---"), "++++++-");
        assert_eq!(verdicts(Verdict::Checking, "-+-++--+---"), "----++++++-");
        // A server that counts as up is given its chances.
        assert_eq!(verdicts(Verdict::Up, "--+---"), "+++++-");
        // One that was down needs all it takes to rise.
        assert_eq!(verdicts(Verdict::Down, "+-++"), "---+");
    }

    #[test]
    fn it_knows_why_and_since_when() {
        let start = Instant::now();
        let mut machine = Machine::new(start, Verdict::Checking);
        let mut feed = |second: u64, passed, cause: &str| {
            let now = start + Duration::from_secs(second);
            let finding = Finding { passed, cause: cause.to_owned() };
            machine.take_in(now, Duration::from_micros(second), finding, &CHECK);
            ((machine.since() - start).as_secs(), machine.cause().to_owned())
        };
        assert_eq!(feed(1, false, "refused"), (1, "refused".to_owned()));
        assert_eq!(feed(2, false, "silent"), (1, "silent".to_owned()));
        assert_eq!(feed(3, true, "fine"), (1, "silent".to_owned()));
        assert_eq!(feed(4, true, "fine"), (4, "fine".to_owned()));
        let last: Vec<_> = machine.last(start + Duration::from_secs(10)).collect();
        assert_eq!(last.iter().map(|run| run.ago).collect::<Vec<_>>(), [6000, 7000, 8000, 9000]);
        assert_eq!(last.iter().map(|run| run.latency).collect::<Vec<_>>(), [4, 3, 2, 1]);
        assert_eq!(last[2].cause, "silent");
        assert!(last[0].passed && !last[2].passed);
    }

    #[test]
    fn the_history_is_bounded_and_shares_its_causes() {
        let start = Instant::now();
        let mut machine = Machine::new(start, Verdict::Checking);
        for run in 0..40_u32 {
            let finding = Finding { passed: true, cause: format!("answer {}", run % 2) };
            machine.take_in(start + Duration::from_secs(1) * run, Duration::ZERO, finding, &CHECK);
        }
        assert_eq!(machine.last(start).count(), Machine::HISTORY);
        assert_eq!(machine.last(start).next().unwrap().cause, "answer 1");
        assert!(Arc::ptr_eq(&machine.last[0].cause, &machine.last[2].cause));
    }
}
