//! Every way out of the data plane has words, and can be taken.

use etherparse::PacketBuilder;
use lb_common::abi::Select;
use lb_common::reason::Reason;
use lb_tests::dataplane::{Host, Kernel, World, monotonic_seconds};
use lb_tests::rows::{Bench, Row, load_all};
use std::collections::HashSet;

/// What BPF_PROG_TEST_RUN cannot bring about: it always leaves room in front of a frame.
const IN_THE_HOST_BUILD_ALONE: &[Reason] = &[Reason::NoHeadroom];

/// What no row can bring about, for rows send a packet or two; it has a test of its own.
const NOT_IN_ROWS: &[Reason] = &[Reason::AnswerLimited];

#[test]
fn every_reason_has_a_name_and_words_of_its_own() {
    let mut names = HashSet::new();
    let mut words = HashSet::new();
    for reason in Reason::ALL {
        let name = reason.name();
        assert!(!name.is_empty(), "{reason:?} has no name");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
            "{name}: small letters and hyphens, for scripts"
        );
        assert!(names.insert(name), "two reasons are called {name}");
        let text = reason.words();
        assert!(text.split_ascii_whitespace().count() >= 2, "{name}: {text:?} says nothing");
        assert!(words.insert(text), "{name}: another reason has the same words");
    }
    assert_eq!(names.len(), Reason::COUNT);
}

#[test]
fn every_reason_is_reached() {
    let rows: Vec<Row> = load_all().unwrap().into_iter().flat_map(|(_, rows)| rows).collect();
    // What a row says of its reasons is true in the builds that it ran in.
    let failures = Bench::new().unwrap().run(&rows);
    assert!(failures.is_empty(), "{} rows failed; packet_rows shows them", failures.len());

    let reached = |host_alone: bool| -> HashSet<Reason> {
        let rows = rows.iter().filter(|row| row.is_for_host_alone() == host_alone);
        rows.flat_map(Row::reasons).collect()
    };
    let (in_both, in_host) = (reached(false), reached(true));
    let missing: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !NOT_IN_ROWS.contains(reason))
        .filter(|reason| match IN_THE_HOST_BUILD_ALONE.contains(reason) {
            true => !in_host.contains(reason),
            false => !in_both.contains(reason),
        })
        .map(|reason| reason.name())
        .collect();
    assert!(missing.is_empty(), "no row reaches {missing:?}");
}

#[test]
fn icmp_errors_are_limited() {
    const LIMIT: u32 = 3;
    let mut world = World::empty();
    world.answers_per_second = LIMIT;
    let key = World::key("udp 192.0.2.100:53");
    let service = World::service(0, Select::Source);
    world.add_service(key, service, &[]);
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1])
        .ipv4([198, 51, 100, 7], [192, 0, 2, 100], 64)
        .udp(40_000, 53)
        .write(&mut frame, b"anybody there?")
        .unwrap();

    let mut host = Host::new(&world);
    for sent in 0..2 * LIMIT {
        let expected = if sent < LIMIT { Reason::NoServer } else { Reason::AnswerLimited };
        assert_eq!(host.run_for_reason(&frame).1, expected, "{sent}");
    }
    host.set_now(monotonic_seconds() + 10);
    assert_eq!(host.run_for_reason(&frame).1, Reason::NoServer, "in another second");

    // The kernel counts for each CPU, and its second may end in between.
    let object = std::fs::read(env!("LB_EBPF_OBJECT")).unwrap();
    let mut kernel = Kernel::load(&object, &world).unwrap();
    let limited = |kernel: &mut Kernel| kernel.run_for_reason(&frame).unwrap().1;
    assert_eq!(limited(&mut kernel), Reason::NoServer);
    let reached = (0..10_000).any(|_| limited(&mut kernel) == Reason::AnswerLimited);
    assert!(reached, "10,000 errors were sent without a bound");
}
