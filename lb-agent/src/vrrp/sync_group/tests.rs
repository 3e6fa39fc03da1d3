use super::*;
use crate::vrrp::machine::{Announcing, Peer, Reason, Version};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn options() -> Options {
    Options {
        version: Version::V3,
        interval: SECOND,
        source: Some([10, 0, 0, 100].into()),
        preempt: true,
        preempt_delay: Duration::ZERO,
        starts_as_master: false,
        announce: Announcing::default(),
    }
}

fn group(now: Instant, members: &[&str]) -> Group {
    let mut group =
        Group::new(members.iter().map(|name| ((*name).into(), options(), 100)).collect());
    group.input(now, 0, Input::Startup);
    group
}

fn heard(priority: u8) -> Input {
    Input::Heard(Peer { source: [10, 0, 0, 99].into(), priority, interval: SECOND })
}

fn states(group: &Group) -> Vec<State> {
    group.members.iter().map(|member| member.machine.state()).collect()
}

/// Polls at each deadline until a time.
fn run(group: &mut Group, until: Instant) {
    while let Some(due) = group.deadline().filter(|due| *due <= until) {
        group.poll(due);
    }
}

#[test]
fn masters_together_or_not_at_all() {
    use State::*;
    let start = Instant::now();
    let mut group = group(start, &["outside", "inside"]);
    // Inside there is a master still.
    for second in 1..20 {
        run(&mut group, start + SECOND * second);
        group.input(start + SECOND * second, 1, heard(200));
        assert_eq!(states(&group), [Backup, Backup], "after {second} s");
    }
    let silent = start + SECOND * 19;
    run(&mut group, silent + SECOND * 3);
    assert_eq!(group.state(), Some(Backup));
    run(&mut group, silent + SECOND * 4);
    assert_eq!(group.state(), Some(Master));
    // One that gives way takes the other along, and that one says nothing.
    let effects = group.input(silent + SECOND * 5, 0, heard(200));
    assert_eq!(group.state(), Some(Backup));
    let of_other: Vec<_> = effects.iter().filter(|(member, _)| *member == 1).collect();
    let transition = Effect::Transition { from: Master, to: Backup, reason: Reason::Group };
    assert_eq!(of_other, [&(1, Effect::RemoveAddresses), &(1, transition)]);
}

#[test]
fn one_that_would_be_master_thinks_again() {
    let start = Instant::now();
    let mut group = group(start, &["outside", "inside"]);
    group.input(start + SECOND * 3, 1, heard(200));
    run(&mut group, start + SECOND * 4);
    assert!(group.member(0).unwrap().wants_master());
    group.input(start + SECOND * 4, 0, heard(200));
    assert!(!group.member(0).unwrap().wants_master());
}

#[test]
fn one_fault_is_all_of_theirs_until_the_last_is_mended() {
    use State::*;
    let start = Instant::now();
    let mut group = group(start, &["outside", "inside"]);
    let now = start + SECOND * 10;
    run(&mut group, now);
    assert_eq!(group.state(), Some(Master));
    let effects = group.input(now, 1, Input::Failed("eth1 is down".into()));
    assert_eq!(group.state(), Some(Fault));
    let reasons: Vec<String> = effects
        .iter()
        .filter_map(|(_, effect)| match effect {
            Effect::Transition { reason, .. } => Some(reason.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, ["inside of its group failed", "eth1 is down"]);
    group.input(now, 0, Input::Failed("eth0 is down".into()));
    group.input(now, 1, Input::Recovered);
    assert_eq!(states(&group), [Fault, Fault]);
    group.input(now, 0, Input::Recovered);
    assert_eq!(states(&group), [Backup, Backup]);
}

#[test]
fn an_owner_waits_for_its_group() {
    let now = Instant::now();
    let mut group = Group::new(vec![("a".into(), options(), 255), ("b".into(), options(), 255)]);
    group.input(now, 0, Input::Startup);
    group.poll(now);
    assert_eq!(group.state(), Some(State::Master));
    let mut group = Group::new(vec![("a".into(), options(), 255), ("b".into(), options(), 254)]);
    group.input(now, 0, Input::Startup);
    group.poll(now);
    assert_eq!(group.state(), Some(State::Backup));
}

#[test]
fn the_winner_announces_for_all() {
    let start = Instant::now();
    let mut group = group(start, &["outside", "inside"]);
    let now = start + SECOND * 30;
    run(&mut group, now);
    group.input(now, 0, heard(50));
    let mut announced = vec![];
    while let Some(due) = group.deadline().filter(|due| *due <= now + SECOND * 2) {
        let effects = group.poll(due);
        announced.extend(effects.into_iter().filter(|(_, effect)| *effect == Effect::Announce(5)));
    }
    assert_eq!(announced, [(0, Effect::Announce(5)), (1, Effect::Announce(5))]);
}

#[test]
fn a_member_that_there_is_not() {
    let now = Instant::now();
    let mut group = group(now, &["only"]);
    assert_eq!(group.input(now, 1, Input::Shutdown), []);
    assert_eq!(group.state(), Some(State::Backup));
}
