//! Directors on a wire that loses, delays and parts, under a fake clock. What they say goes over
//! it as bytes.

mod world;

use super::{Effect, Input, State};
use std::time::Duration;
use world::{INTERVAL, LATENCY, World};

/// No master is without a successor for longer than this: three intervals, and the skew of the
/// lowest priority.
const DOWN: u32 = 4 * INTERVAL + 2 * LATENCY;
/// What it takes a priority between 90 and 110.
const SKEW: u32 = INTERVAL * 166 / 256 + 2 * LATENCY;

const A: usize = 0;
const B: usize = 1;
const HOLD: Input = Input::HandOver(Duration::from_secs(3600));

fn pair(seed: u64) -> World {
    let mut world = World::new(seed, 2, &[&[(51, &[101, 100])]]);
    world.start_all();
    world.run(DOWN);
    assert_eq!(world.masters(51), [A]);
    world
}

#[test]
fn the_dead_are_replaced_within_the_down_interval() {
    for seed in 0..20 {
        let mut world = pair(seed);
        world.run(seed as u32 * 13);
        world.kill(A);
        let took = world.run_until(|world| world.masters(51) == [B]);
        assert!((2 * INTERVAL..=3 * INTERVAL + SKEW).contains(&took), "{took} ms");
        world.start(A);
        let took = world.run_until(|world| world.masters(51) == [A]);
        assert!(took <= DOWN, "preempted after {took} ms");
    }
}

#[test]
fn a_hand_over_takes_no_more_than_the_skew_and_leaves_no_gap() {
    for seed in 0..20 {
        let mut world = pair(seed);
        world.input(A, 51, HOLD);
        let mut gap = false;
        let took = world.run_until(|world| {
            gap |= !world.anyone_has_addresses(51);
            world.masters(51) == [B] && !world.has_addresses(A, 51)
        });
        assert!(took <= SKEW && !gap, "{took} ms, gap: {gap}");
        world.run(20 * DOWN);
        assert_eq!(world.masters(51), [B], "it was taken back");
        // It is there for when it is needed.
        world.kill(B);
        world.run(DOWN);
        assert_eq!(world.masters(51), [A]);
    }
}

#[test]
fn who_stops_is_replaced_within_the_skew() {
    let mut world = pair(1);
    world.input(A, 51, Input::Shutdown);
    let took = world.run_until(|world| world.masters(51) == [B]);
    assert!(took <= SKEW, "{took} ms");
}

#[test]
fn a_word_that_is_lost_delays_a_hand_over_by_an_interval() {
    let mut world = pair(2);
    world.cut(A, B, true);
    world.input(A, 51, HOLD);
    world.run(2 * LATENCY);
    world.cut(A, B, false);
    let took = world.run_until(|world| world.masters(51) == [B]);
    assert!(took <= INTERVAL + SKEW, "{took} ms");
}

#[test]
fn parted_directors_are_both_master_and_agree_when_they_meet() {
    for one_way in [false, true] {
        let mut world = pair(3);
        world.cut(A, B, true);
        world.cut(B, A, !one_way);
        world.run(DOWN);
        // A hears of B and outranks it, but isn't heard.
        assert_eq!(world.masters(51), [A, B]);
        world.forget_effects();
        world.cut(A, B, false);
        world.cut(B, A, false);
        let took = world.run_until(|world| world.masters(51) == [A]);
        assert!(took <= INTERVAL + 2 * LATENCY, "{took} ms");
        world.run(2 * INTERVAL);
        let yielded = |effect: &Effect| matches!(effect, Effect::TwoMasters { yields: true, .. });
        assert!(world.effects(B).iter().any(yielded));
        // What B announced is put right.
        let of_a = world.effects(A);
        let one = of_a.iter().position(|effect| *effect == Effect::OneMaster);
        let announced = one.and_then(|at| of_a.get(at + 1));
        assert!(matches!(announced, Some(Effect::Announce(_))), "{of_a:?}");
    }
}

#[test]
fn a_cross_pair_shares_the_work() {
    let mut world = World::new(4, 2, &[&[(51, &[101, 100])], &[(52, &[100, 101])]]);
    world.start_all();
    world.run(DOWN);
    let masters = |world: &World| (world.masters(51), world.masters(52));
    assert_eq!(masters(&world), (vec![A], vec![B]));
    world.kill(B);
    world.run(DOWN);
    assert_eq!(masters(&world), (vec![A], vec![A]));
    world.start(B);
    world.run(DOWN);
    assert_eq!(masters(&world), (vec![A], vec![B]));
}

#[test]
fn equal_priorities_are_decided_by_address() {
    let mut world = World::new(5, 3, &[&[(51, &[100, 100, 100])]]);
    world.start_all();
    world.run(DOWN + INTERVAL);
    assert_eq!(world.masters(51), [2]);
    // Not so once there is a master.
    world.kill(2);
    world.run(DOWN);
    world.start(2);
    world.run(3 * DOWN);
    assert_eq!(world.masters(51), [B]);
}

#[test]
fn a_group_moves_as_one() {
    let mut world = World::new(6, 2, &[&[(51, &[101, 100]), (52, &[101, 100])]]);
    world.start_all();
    world.run(DOWN);
    let both =
        |world: &World, node: usize| world.masters(51) == [node] && world.masters(52) == [node];
    assert!(both(&world, A));
    world.input(A, 52, Input::Failed("eth1 is down".into()));
    assert_eq!(world.state(A, 51), State::Fault);
    let took = world.run_until(|world| both(world, B));
    assert!(took <= SKEW, "{took} ms");
    world.input(A, 52, Input::Recovered);
    let took = world.run_until(|world| both(world, A));
    assert!(took <= DOWN + SKEW, "{took} ms");
    world.input(A, 51, HOLD);
    let took = world.run_until(|world| both(world, B));
    assert!(took <= SKEW, "{took} ms");
}

/// Whatever happens, then it is quiet: there is one master, and it is the right one.
#[test]
fn after_every_storm_there_is_one_master() {
    let single: world::Layout = &[&[(51, &[90, 100, 110])]];
    let grouped: world::Layout = &[&[(51, &[90, 100, 110]), (52, &[90, 100, 110])]];
    for seed in 0..12 {
        let layout = if seed % 2 == 0 { single } else { grouped };
        let mut world = World::new(seed, 3, layout);
        world.start_all();
        for storm in 0..15 {
            world.storm(30 * INTERVAL);
            world.calm();
            // Two rounds: a late first master may have to be preempted by the group.
            world.run(2 * DOWN);
            let ids = if seed % 2 == 0 { &[51][..] } else { &[51, 52] };
            let changes = world.run_until_or(10 * INTERVAL, |world| {
                ids.iter().any(|id| world.masters(*id) != world.best())
            });
            assert_eq!(changes, None, "seed {seed}, storm {storm}");
            for id in ids {
                assert_eq!(world.who_has_addresses(*id), world.best());
            }
        }
        assert!(world.lost > 100, "only {} were lost", world.lost);
    }
}
