use super::*;

fn hop(n: u32) -> Hop {
    Hop { ifindex: 2, address: n.to_be_bytes().into() }
}

/// When each request about the only neighbour goes out, in milliseconds after `begin`.
fn requests(warmth: &mut Warmth, begin: Instant, count: usize) -> Vec<u128> {
    let mut times = Vec::new();
    while times.len() < count
        && let Some(at) = warmth.next_due()
    {
        if !warmth.take_due(at).is_empty() {
            times.push((at - begin).as_millis());
        }
    }
    times
}

#[test]
fn an_unresolved_neighbour_is_asked_for_at_once_and_ever_less_often() {
    let (mut warmth, now) = (Warmth::default(), Instant::now());
    warmth.keep(hop(1), Need::Resolve, now);
    assert_eq!(requests(&mut warmth, now, 7), [0, 200, 1200, 3200, 8200, 13200, 18200]);
    assert!(warmth.take_due(now).is_empty(), "not before it is due");
}

#[test]
fn a_neighbour_that_fails_again_is_asked_for_at_once() {
    let (mut warmth, now) = (Warmth::default(), Instant::now());
    warmth.keep(hop(1), Need::Resolve, now);
    requests(&mut warmth, now, 5);
    warmth.keep(hop(1), Need::Nothing, now);
    assert_eq!(warmth.next_due(), None);
    let later = now + Duration::from_secs(60);
    warmth.keep(hop(1), Need::Resolve, later);
    assert_eq!(requests(&mut warmth, later, 2), [0, 200]);
}

#[test]
fn a_stale_neighbour_is_checked_but_not_too_often() {
    let (mut warmth, now) = (Warmth::default(), Instant::now());
    warmth.keep(hop(1), Need::Verify, now);
    assert_eq!(requests(&mut warmth, now, 3), [0, 5000, 10_000]);
    warmth.observe(hop(1), Need::Nothing, now + Duration::from_secs(11));
    warmth.observe(hop(1), Need::Verify, now + Duration::from_secs(12));
    assert_eq!(requests(&mut warmth, now, 1), [15_000]);
}

#[test]
fn many_neighbours_are_asked_about_in_batches() {
    let (mut warmth, now) = (Warmth::default(), Instant::now());
    (0..1000).for_each(|n| warmth.keep(hop(n), Need::Resolve, now));
    let mut asked = BTreeSet::new();
    while asked.len() < 1000 {
        let batch = warmth.take_due(now);
        assert!(!batch.is_empty() && batch.len() <= BATCH);
        asked.extend(batch);
    }
    assert!(warmth.take_due(now).is_empty());
}

#[test]
fn what_is_forgotten_is_never_due() {
    let (mut warmth, now) = (Warmth::default(), Instant::now());
    warmth.keep(hop(1), Need::Resolve, now);
    warmth.forget(&hop(1));
    warmth.observe(hop(1), Need::Resolve, now);
    assert_eq!(warmth.next_due(), None);
    assert_eq!(warmth.hops().count(), 0);
}

#[test]
fn a_guest_that_does_not_exist_is_given_up_and_one_that_does_is_kept() {
    let (mut warmth, now) = (Warmth::default(), Instant::now());
    warmth.invite(hop(1), now);
    assert_eq!(requests(&mut warmth, now, 10), [0, 200, 1200]);
    assert_eq!((warmth.hops().count(), warmth.guests.len()), (0, 0));

    warmth.invite(hop(2), now);
    assert_eq!(warmth.take_due(now), [hop(2)]);
    warmth.invite(hop(2), now);
    assert!(warmth.take_due(now).is_empty(), "the same one again");
    warmth.observe(hop(2), Need::Nothing, now);
    let later = now + Duration::from_secs(60);
    warmth.observe(hop(2), Need::Verify, later);
    assert_eq!(warmth.take_due(later), [hop(2)]);
}

#[test]
fn a_guest_that_is_wanted_stays() {
    let (mut warmth, now) = (Warmth::default(), Instant::now());
    warmth.invite(hop(1), now);
    warmth.keep(hop(1), Need::Resolve, now);
    assert!(warmth.guests.is_empty());
    assert_eq!(requests(&mut warmth, now, 6).len(), 6);
}

#[test]
fn a_flood_of_guests_is_held_back() {
    let (mut warmth, mut now) = (Warmth::default(), Instant::now());
    (0..1000).for_each(|n| warmth.invite(hop(n), now));
    assert_eq!(warmth.guests.len(), BURST as usize);
    now += REFILL * 10;
    (1000..2000).for_each(|n| warmth.invite(hop(n), now));
    assert_eq!(warmth.guests.len(), BURST as usize + 10);
    for n in 2000..5000 {
        now += REFILL;
        warmth.invite(hop(n), now);
    }
    assert_eq!((warmth.guests.len(), warmth.entries.len(), warmth.due.len()), (1024, 1024, 1024));
}
