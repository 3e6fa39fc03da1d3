//! The engine under a fake clock, beside a shadow that knows less and does it slower.

use super::check::{Check, Probe};
use super::engine::{Engine, Id, Wanted};
use super::probe::Finding;
use super::target::Target;
use lb_common::api::Verdict;
use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

const MS: Duration = Duration::from_millis(1);
/// How late the driver notices that something is due.
const LATE: Duration = Duration::from_millis(2);
/// What lateness adds up to between the beginnings of two runs.
const TOLERANCE: Duration = Duration::from_millis(8);

#[test]
fn it_says_what_the_shadow_says() {
    for seed in 0..2 {
        let mut world = World::new(seed, 600);
        world.go_on(Duration::from_secs(40));
        assert!(world.changes > 600, "only {} changes", world.changes);
    }
}

#[test]
fn it_survives_that_time_stands_still() {
    for seed in 10..12 {
        let mut world = World { stalls: true, ..World::new(seed, 500) };
        world.go_on(Duration::from_secs(60));
        assert!(world.changes > 500, "only {} changes", world.changes);
    }
}

#[test]
fn runs_are_spread() {
    const TARGETS: usize = 5000;
    // Interval, which seconds are watched, how often each target runs in them, and the most runs
    // in 10 ms. The mean is 50 in the first second of both, then it is 50 and 5.
    for (interval, watched, times, most) in
        [(1, 0..10, 10, 100), (10, 0..1, 1, 100), (10, 10..40, 3, 25)]
    {
        let start = Instant::now();
        let check = Arc::new(Check { interval: Duration::from_secs(interval), ..check(0) });
        let mut engine = Engine::default();
        let target = |n| Target::new(server(n), &check);
        engine.want(start, (0..TARGETS).map(|n| Wanted { target: target(n), before: None }));
        let mut buckets = vec![0_usize; 4000];
        while let Some(now) = engine.next_due().filter(|&due| due < start + 40_000 * MS) {
            let run = engine.begin(now).unwrap();
            engine.finished(now + MS, run.id, now, finding(true));
            buckets[(now - start).as_millis() as usize / 10] += 1;
        }
        let watched = &buckets[watched.start * 100..watched.end * 100];
        assert_eq!(watched.iter().sum::<usize>(), TARGETS * times, "every {interval} s");
        assert!(watched.iter().all(|&runs| runs <= most), "every {interval} s: {watched:?}");
    }
}

/// Some checks that differ in what matters for time and verdict.
fn check(kind: u64) -> Check {
    let interval = MS * [1000, 100, 400, 3000][kind as usize % 4];
    Check {
        probe: Probe::Tcp,
        interval,
        // With the first, a run that gets no answer ends when the next one is due.
        timeout: if kind < 4 { interval } else { interval / 2 },
        rise: 1 + kind as u32 % 3,
        fall: 1 + kind as u32 % 4,
        initial: if kind == 5 { Verdict::Up } else { Verdict::Down },
        address: None,
        port: None,
    }
}

fn server(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 80))
}

fn finding(passed: bool) -> Finding {
    Finding { passed, cause: passed.to_string() }
}

/// Pseudo-random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What is known of a wanted target, the slow way.
struct Shadow {
    verdict: Verdict,
    /// All results since the verdict, and all since the target is wanted.
    since: Vec<bool>,
    all: Vec<bool>,
    wanted_at: Instant,
    begun: Option<Instant>,
    ended: Option<Instant>,
    /// When a run began in phase.
    phase: Option<Instant>,
    /// Whether a run is under way.
    asked: bool,
    /// How likely it passes, in percent.
    quality: u64,
}

impl Shadow {
    fn take_in(&mut self, passed: bool, check: &Check) {
        self.all.push(passed);
        self.since.push(passed);
        let ends_with = |count: u32, passed: bool| {
            let count = count as usize;
            self.since.len() >= count && self.since.iter().rev().take(count).all(|&p| p == passed)
        };
        let next = match self.verdict {
            Verdict::Checking if passed => Verdict::Up,
            Verdict::Checking => Verdict::Down,
            Verdict::Up if ends_with(check.fall, false) => Verdict::Down,
            Verdict::Down if ends_with(check.rise, true) => Verdict::Up,
            same => same,
        };
        if next != self.verdict {
            self.verdict = next;
            self.since.clear();
        }
    }

    /// The first run comes soon, the others as regularly as the clock, unless the one before took
    /// until now.
    fn is_in_time(&mut self, now: Instant, check: &Check) {
        let interval = check.interval;
        let Some((begun, ended)) = self.begun.zip(self.ended) else {
            let soon = interval.min(Duration::from_secs(1));
            assert!(now - self.wanted_at <= soon + TOLERANCE);
            return;
        };
        let gap = now - begun;
        assert!(gap + TOLERANCE >= interval / 2 && gap <= interval * 3 / 2 + TOLERANCE);
        if now - ended <= TOLERANCE {
            return;
        }
        let off = (now - *self.phase.get_or_insert(now)).as_nanos() % interval.as_nanos();
        let off = off.min(interval.as_nanos() - off);
        assert!(off <= TOLERANCE.as_nanos(), "{off} ns out of phase");
    }
}

struct Flight {
    target: Target,
    began: Instant,
    passed: bool,
}

struct World {
    random: Random,
    now: Instant,
    servers: usize,
    stalls: bool,
    engine: Engine,
    wanted: Vec<Wanted>,
    shadows: HashMap<Target, Shadow>,
    flights: BTreeMap<(Instant, Id), Flight>,
    told: HashMap<Target, Verdict>,
    changes: usize,
}

impl World {
    fn new(seed: u64, servers: usize) -> Self {
        Self {
            random: Random(seed),
            now: Instant::now(),
            servers,
            stalls: false,
            engine: Engine::default(),
            wanted: vec![],
            shadows: HashMap::new(),
            flights: BTreeMap::new(),
            told: HashMap::new(),
            changes: 0,
        }
    }

    fn go_on(&mut self, time: Duration) {
        let end = self.now + time;
        let mut change_at = self.now;
        while self.now < end {
            if change_at <= self.now {
                self.want_others();
                change_at = self.now + MS * self.random.below(3000) as u32;
            }
            self.land();
            self.begin();
            self.listen();
            let landing = self.flights.keys().next().map(|&(time, _)| time);
            let events = [self.engine.next_due(), landing, Some(change_at)];
            let next = events.into_iter().flatten().min().unwrap();
            self.now = self.now.max(next) + self.lateness();
        }
        self.compare_all();
    }

    fn lateness(&mut self) -> Duration {
        if self.stalls && self.random.below(2000) == 0 {
            return MS * self.random.below(5000) as u32;
        }
        LATE * self.random.below(100) as u32 / 100
    }

    /// A server goes or comes, some change their checks, some are named twice.
    fn want_others(&mut self) {
        let mut wanted = vec![];
        for n in 0..self.servers {
            let kind = if self.random.below(20) == 0 { self.random.below(8) } else { n as u64 % 8 };
            if self.random.below(30) != 0 {
                // Equal checks needn't be one in memory.
                let target = Target::new(server(n), &Arc::new(check(kind)));
                let before = [None, Some(Verdict::Up), Some(Verdict::Down)];
                let before = before[self.random.below(30).min(2) as usize];
                wanted.extend(std::iter::repeat_n(Wanted { target, before }, 1 + n % 2));
            }
        }
        let mut old = std::mem::take(&mut self.shadows);
        for Wanted { target, before } in &wanted {
            if self.shadows.contains_key(target) {
                continue;
            }
            let shadow = old.remove(target).unwrap_or_else(|| self.shadow(target, *before));
            self.told.entry(target.clone()).or_insert(shadow.verdict);
            self.shadows.insert(target.clone(), shadow);
        }
        let out = std::mem::replace(&mut self.wanted, wanted.clone());
        if self.random.below(2) == 0 {
            self.engine.want(self.now, wanted);
        } else {
            self.engine.exchange(self.now, out.into_iter().map(|wanted| wanted.target), wanted);
        }
        for orphan in self.engine.take_orphans() {
            let (&key, flight) = self.flights.iter().find(|((_, id), _)| *id == orphan).unwrap();
            assert!(!self.shadows.contains_key(&flight.target), "a wanted run was given up");
            self.flights.remove(&key);
        }
        for gone in old.keys() {
            assert_eq!(self.engine.verdict(gone), None);
            self.told.remove(gone);
        }
        self.compare_all();
    }

    fn shadow(&mut self, target: &Target, before: Option<Verdict>) -> Shadow {
        let own = match target.check().initial {
            Verdict::Up => Verdict::Up,
            _ => Verdict::Checking,
        };
        Shadow {
            verdict: before.unwrap_or(own),
            since: vec![],
            all: vec![],
            wanted_at: self.now,
            begun: None,
            ended: None,
            phase: None,
            asked: false,
            quality: [0, 30, 70, 95, 100][self.random.below(5) as usize],
        }
    }

    /// Ends the runs whose time has come.
    fn land(&mut self) {
        while let Some(flight) = self.flights.first_entry().filter(|f| f.key().0 <= self.now) {
            let (_, id) = *flight.key();
            let Flight { target, began, passed } = flight.remove();
            self.engine.finished(self.now, id, began, finding(passed));
            let shadow = self.shadows.get_mut(&target).unwrap();
            shadow.asked = false;
            shadow.ended = Some(self.now);
            shadow.take_in(passed, target.check());
            // A second answer to one question counts for nothing.
            self.engine.finished(self.now, id, began, finding(!passed));
        }
    }

    fn begin(&mut self) {
        while let Some(run) = self.engine.begin(self.now) {
            let shadow = self.shadows.get_mut(&run.target).expect("nobody wants this run");
            let passed = self.random.below(100) < shadow.quality;
            let timeout = run.target.check().timeout;
            let latency = match self.random.below(10) {
                0 => timeout,
                _ => timeout * self.random.below(100) as u32 / 300,
            };
            if !self.stalls {
                shadow.is_in_time(self.now, run.target.check());
            }
            shadow.begun = Some(self.now);
            assert!(!shadow.asked, "two runs at once for {}", run.target);
            shadow.asked = true;
            let flight = Flight { target: run.target, began: self.now, passed };
            self.flights.insert((self.now + latency, run.id), flight);
        }
        assert!(self.engine.next_due().is_none_or(|due| due > self.now));
    }

    /// Takes in some of the changes, sometimes.
    fn listen(&mut self) {
        for _ in 0..self.random.below(4) {
            let Some(change) = self.engine.take_change() else {
                return;
            };
            self.changes += 1;
            let told = self.told.insert(change.target.clone(), change.verdict);
            assert!(told.is_some_and(|told| told != change.verdict), "no change: {change:?}");
            assert_eq!(change.verdict, self.shadows[&change.target].verdict);
            assert_eq!(change.cause, (change.verdict == Verdict::Up).to_string());
        }
    }

    fn compare_all(&self) {
        for (target, shadow) in &self.shadows {
            assert_eq!(self.engine.verdict(target), Some(self.told[target]));
            let health = self.engine.health(self.now, target).unwrap();
            assert_eq!(health.verdict, shadow.verdict, "{target}: {:?}", shadow.all);
            let last: Vec<bool> = health.last.iter().map(|run| run.passed).collect();
            let expected: Vec<bool> = shadow.all.iter().rev().take(16).copied().collect();
            assert_eq!(last, expected);
        }
    }
}
