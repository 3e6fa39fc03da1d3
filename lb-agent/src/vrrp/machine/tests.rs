use super::*;
use crate::vrrp::OWNER;
use std::net::IpAddr;

const MS: Duration = Duration::from_millis(1);

/// A machine at 10.0.0.100, and a clock that counts milliseconds from its making.
struct Bench {
    machine: Machine,
    start: Instant,
}

impl Bench {
    fn new(priority: u8, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            version: Version::V3,
            interval: 1000 * MS,
            source: Some([10, 0, 0, 100].into()),
            preempt: true,
            preempt_delay: Duration::ZERO,
            starts_as_master: false,
            announce: Announcing::default(),
        };
        change(&mut options);
        Self { machine: Machine::new(options, priority, false), start: Instant::now() }
    }

    /// In a state, with priority 100. What led there has happened 100 s ago and more.
    fn in_state(state: State) -> Self {
        let mut bench = Self::new(100, |options| options.announce.repeat = Duration::ZERO);
        let inputs = match state {
            State::Initialize => vec![],
            State::Backup | State::Master => vec![Input::Startup],
            State::Fault => vec![Input::Startup, failed()],
        };
        for input in inputs {
            bench.at(0, input);
        }
        if state == State::Master {
            bench.until(100_000);
        }
        if state == State::Backup {
            bench.at(100_000, heard(100, 99));
        }
        assert_eq!(bench.machine.state(), state);
        bench
    }

    fn at(&mut self, ms: u32, input: Input) -> String {
        words(self.machine.input(self.start + ms * MS, input))
    }

    fn poll(&mut self, ms: u32) -> String {
        words(self.machine.poll(self.start + ms * MS))
    }

    /// Polls at each deadline up to a time.
    fn until(&mut self, ms: u32) -> String {
        let mut all = vec![];
        while let Some(due) = self.machine.deadline().filter(|due| *due <= self.start + ms * MS) {
            let effects = words(self.machine.poll(due));
            all.push(format!("{}: {effects}", (due - self.start).as_millis()));
        }
        all.join("; ")
    }

    fn deadline(&self) -> Option<u128> {
        self.machine.deadline().map(|due| (due - self.start).as_millis())
    }
}

fn words(effects: Vec<Effect>) -> String {
    let word = |effect| match effect {
        Effect::SendAdvert { priority, late } if late.is_zero() => format!("say {priority}"),
        Effect::SendAdvert { priority, late } => {
            format!("say {priority} {} late", late.as_millis())
        }
        Effect::Late(late) => format!("late {}", late.as_millis()),
        Effect::AddAddresses => "add".to_owned(),
        Effect::RemoveAddresses => "remove".to_owned(),
        Effect::Announce(count) => format!("announce {count}"),
        Effect::Transition { from, to, reason } => {
            assert_ne!(from, to, "{reason}");
            to.to_string()
        }
        Effect::TwoMasters { yields: true, .. } => "yield".to_owned(),
        Effect::TwoMasters { yields: false, .. } => "two".to_owned(),
        Effect::OneMaster => "one".to_owned(),
    };
    effects.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

/// An advertisement from 10.0.0.`host`.
fn heard(priority: u8, host: u8) -> Input {
    Input::Heard(Peer { source: [10, 0, 0, host].into(), priority, interval: 1000 * MS })
}

fn failed() -> Input {
    Input::Failed("eth0 is down".into())
}

/// Every input in every state: the effects, and the deadline after it in milliseconds. The input
/// comes at 100 s; a backup has heard the master just then and takes over at 103609 (the skew of
/// priority 100 is 156/256 of an interval), a master advertises next at 100609.
#[test]
fn the_whole_table() {
    let startup = ["remove, BACKUP 103609", "", "", ""];
    let shutdown = ["", "INIT -", "say 0, remove, INIT -", "INIT"];
    let asserts = "say 100, two, announce 5 101000";
    let yields = "remove, yield, BACKUP 103609";
    let fault = ["", "FAULT -", "say 0, remove, FAULT -", ""];
    let hand_over = ["", "", "say 0, BACKUP 101000", ""];
    let group_master = ["", "add, say 100, announce 5, MASTER 101000", "", ""];
    let rows = [
        (Input::Startup, startup),
        (Input::Shutdown, shutdown),
        (heard(0, 99), ["", " 100609", "say 100 101000", ""]),
        (heard(99, 101), ["", "", asserts, ""]),
        (heard(100, 99), ["", "", asserts, ""]),
        (heard(100, 101), ["", "", yields, ""]),
        (heard(101, 99), ["", "", yields, ""]),
        (Input::Priority(228), ["", " 103109", "", ""]),
        (failed(), fault),
        (Input::Recovered, ["", "", "", "BACKUP 103609"]),
        (Input::HandOver(1000 * MS), hand_over),
        (Input::GroupMaster, group_master),
        (Input::GroupBackup, ["", "", "remove, BACKUP 103609", ""]),
    ];
    // A new input is to have a row: add it here as well.
    let kind = |input: &Input| match input {
        Input::Startup => 0,
        Input::Shutdown => 1,
        Input::Heard(_) => 2,
        Input::Priority(_) => 3,
        Input::Failed(_) => 4,
        Input::Recovered => 5,
        Input::HandOver(_) => 6,
        Input::GroupMaster => 7,
        Input::GroupBackup => 8,
    };
    assert!((0..9).all(|wanted| rows.iter().any(|row| kind(&row.0) == wanted)));
    for (input, expected) in rows {
        for (state, expected) in State::ALL.into_iter().zip(expected) {
            let mut bench = Bench::in_state(state);
            let before = bench.deadline();
            let effects = bench.at(100_000, input.clone());
            let after = bench.deadline();
            let found = match (after == before, after) {
                (true, _) => effects,
                (false, None) => format!("{effects} -"),
                (false, Some(after)) => format!("{effects} {after}"),
            };
            assert_eq!(found, expected, "{input:?} in {state}");
        }
    }
    for (state, expected) in [
        (State::Initialize, None),
        (State::Backup, Some((103_609, "add, say 100, announce 5, MASTER"))),
        (State::Master, Some((100_609, "say 100"))),
        (State::Fault, None),
    ] {
        let mut bench = Bench::in_state(state);
        assert_eq!(bench.deadline(), expected.map(|row| row.0), "{state}");
        if let Some((due, effects)) = expected {
            assert_eq!(bench.poll(due as u32 - 1), "", "{state}");
            assert_eq!(bench.until(due as u32 + 1), format!("{due}: {effects}"), "{state}");
        }
    }
}

#[test]
fn an_owner_is_master_at_once() {
    let mut bench = Bench::new(OWNER, |options| options.preempt = false);
    assert_eq!(bench.at(0, Input::Startup), "add, say 255, announce 5, MASTER");
    bench.at(10, failed());
    assert_eq!(bench.at(20, Input::Recovered), "add, say 255, announce 5, MASTER");
    assert_eq!(bench.at(30, heard(254, 101)), "say 255, two, announce 5");
    assert_eq!(bench.at(40, heard(OWNER, 101)), "remove, yield, BACKUP");
}

#[test]
fn what_failed_before_the_start_counts() {
    let mut bench = Bench::new(OWNER, |_| {});
    bench.at(0, failed());
    assert_eq!(bench.at(1, Input::Startup), "remove, FAULT");
    let mut bench = Bench::new(100, |_| {});
    bench.at(0, failed());
    bench.at(1, Input::Recovered);
    assert_eq!(bench.at(2, Input::Startup), "remove, BACKUP");
}

#[test]
fn who_starts_as_master_waits_for_one_advertisement() {
    let mut bench = Bench::new(100, |options| options.starts_as_master = true);
    bench.at(0, Input::Startup);
    assert_eq!(bench.deadline(), Some(1609));
}

/// RFC 9568, section 6.1, and RFC 3768, section 6.1: the latter's skew is of a second.
#[test]
fn timers_of_both_versions() {
    for (version, priority, interval, heard, down) in [
        (Version::V3, 255, 1000, 1000, 3003),
        (Version::V3, 1, 1000, 1000, 3996),
        (Version::V3, 101, 10, 10, 36),
        (Version::V3, 101, 10, 2000, 7210),
        (Version::V2, 101, 1000, 1000, 3605),
        (Version::V2, 101, 3000, 3000, 9605),
    ] {
        let mut bench = Bench::new(priority.min(254), |options| {
            options.version = version;
            options.interval = interval * MS;
        });
        bench.at(0, Input::Startup);
        bench.at(0, Input::Priority(priority));
        let source = [10, 0, 0, 99].into();
        let peer = Peer { source, priority, interval: heard * MS };
        bench.at(0, Input::Heard(peer));
        assert_eq!(bench.deadline(), Some(down), "{version:?} {priority} {interval} {heard}");
    }
}

#[test]
fn a_router_of_lower_priority_is_preempted() {
    let mut bench = Bench::new(100, |_| {});
    bench.at(0, Input::Startup);
    assert_eq!(bench.at(1000, heard(99, 101)), "");
    assert_eq!(bench.machine.master().map(|peer| peer.priority), Some(99));
    assert_eq!(bench.until(3608), "");
    assert_eq!(bench.until(3610), "3609: add, say 100, announce 5, MASTER");

    let mut bench = Bench::new(100, |options| options.preempt = false);
    bench.at(0, Input::Startup);
    bench.at(1000, heard(99, 101));
    assert_eq!(bench.deadline(), Some(4609));
}

/// keepalived's `preempt_delay`: from the first that is heard of a lower priority.
#[test]
fn preemption_can_be_delayed() {
    let mut bench = Bench::new(100, |options| options.preempt_delay = 5000 * MS);
    bench.at(0, Input::Startup);
    for (ms, priority, deadline) in [
        (1000, 99, 4609),
        (5999, 99, 9608),
        (6000, 99, 9608),
        (7000, 100, 10_609),
        (8000, 99, 11_609),
        (12_999, 99, 16_608),
        (13_000, 99, 16_608),
    ] {
        bench.at(ms, heard(priority, 101));
        assert_eq!(bench.deadline(), Some(deadline), "at {ms}");
    }
    // Not a master that falls silent.
    bench.at(20_000, heard(0, 101));
    assert_eq!(bench.deadline(), Some(20_609));
}

#[test]
fn who_hands_over_answers_until_another_does() {
    let mut bench = Bench::in_state(State::Master);
    assert_eq!(bench.at(100_000, Input::HandOver(60_000 * MS)), "say 0, BACKUP");
    // The word may have been lost.
    assert_eq!(bench.until(101_500), "101000: say 0");
    assert_eq!(bench.at(101_600, heard(50, 101)), "remove");
    assert_eq!(bench.until(102_000), "");
    // Not taken back while it is to be left alone, but then.
    for ms in [110_000, 120_000, 159_999] {
        bench.at(ms, heard(50, 101));
        assert_eq!(bench.deadline(), Some(u128::from(ms) + 3609));
    }
    bench.at(160_000, heard(50, 101));
    assert_eq!(bench.deadline(), Some(163_608));
}

#[test]
fn what_nobody_takes_is_kept() {
    let mut bench = Bench::in_state(State::Master);
    bench.at(100_000, Input::HandOver(60_000 * MS));
    assert_eq!(
        bench.until(103_999),
        "101000: say 0; 102000: say 0; 103000: say 0; 103609: add, say 100, announce 5, MASTER"
    );
    bench.at(104_000, Input::HandOver(60_000 * MS));
    assert_eq!(bench.at(104_001, failed()), "remove, FAULT");
    let mut bench = Bench::in_state(State::Master);
    bench.at(100_000, Input::HandOver(60_000 * MS));
    assert_eq!(bench.at(100_001, Input::Shutdown), "remove, INIT");
}

#[test]
fn who_wins_against_another_master_says_so_when_it_is_silent() {
    let mut bench = Bench::in_state(State::Master);
    assert_eq!(bench.at(100_000, heard(99, 101)), "say 100, two, announce 5");
    assert_eq!(bench.until(100_999), "");
    assert_eq!(bench.at(101_000, heard(99, 101)), "say 100");
    assert_eq!(bench.until(102_499), "102000: say 100");
    assert_eq!(bench.until(102_500), "102500: one, announce 5");
    assert_eq!(bench.at(110_000, heard(99, 101)), "say 100, two, announce 5");
}

#[test]
fn contradiction_is_slower_than_the_wire() {
    let mut bench = Bench::in_state(State::Master);
    let said = (0..1000).filter(|ms| bench.at(100_000 + ms, heard(0, 101)) == "say 100").count();
    assert_eq!(said, 100);
}

#[test]
fn neighbours_are_told_again() {
    let mut bench = Bench::new(100, |options| {
        options.interval = 40_000 * MS;
        options.announce.refresh = 10_000 * MS;
    });
    bench.at(0, Input::Startup);
    bench.at(0, Input::GroupMaster);
    assert_eq!(
        bench.until(36_000),
        "5000: announce 5; 15000: announce 1; 25000: announce 1; 35000: announce 1"
    );
    bench.at(36_000, Input::Shutdown);
    assert_eq!(bench.deadline(), None);
}

#[test]
fn lateness_is_told_and_the_phase_kept() {
    let mut bench = Bench::in_state(State::Master);
    assert_eq!(bench.poll(101_109), "say 100 499 late");
    assert_eq!(bench.poll(102_200), "say 100 590 late, late 590");
    assert_eq!(bench.until(102_700), "102609: say 100");
    // A machine that stood still doesn't make up for what it missed.
    assert_eq!(bench.poll(110_000), "say 100 6390 late, late 6390");
    assert_eq!(bench.deadline(), Some(111_000));
}

#[test]
fn other_options_take_effect_without_a_transition() {
    let options = |bench: &Bench| Options { interval: 100 * MS, ..bench.machine.options.clone() };
    for (state, deadline) in [(State::Master, 100_100), (State::Backup, 103_609)] {
        let mut bench = Bench::in_state(state);
        let options = options(&bench);
        bench.machine.reconfigure(bench.start + 100_000 * MS, options);
        assert_eq!((bench.machine.state(), bench.deadline()), (state, Some(deadline)));
    }
}

#[test]
fn reasons_name_the_peer() {
    let peer = |priority| Peer { source: IpAddr::from([10, 0, 0, 9]), priority, interval: MS };
    for (reason, words) in [
        (Reason::Silence(peer(9)), "10.0.0.9 was heard no more"),
        (Reason::Resigned(peer(0)), "10.0.0.9 has given up (priority 0)"),
        (Reason::Preempts(peer(9)), "10.0.0.9 has a lower priority: 9"),
        (Reason::Outranked(peer(9)), "10.0.0.9 is master with priority 9"),
        (Reason::Failed("eth0 is down".into()), "eth0 is down"),
    ] {
        assert_eq!(reason.to_string(), words);
    }
}
