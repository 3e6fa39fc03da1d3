//! Every way out of the data plane has words, and can be taken.

use lb_common::reason::Reason;
use lb_tests::rows::{Bench, Row, load_all};
use std::collections::HashSet;

/// What BPF_PROG_TEST_RUN cannot bring about: it always leaves room in front of a frame.
const IN_THE_HOST_BUILD_ALONE: &[Reason] = &[Reason::NoHeadroom];

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
        .filter(|reason| match IN_THE_HOST_BUILD_ALONE.contains(reason) {
            true => !in_host.contains(reason),
            false => !in_both.contains(reason),
        })
        .map(|reason| reason.name())
        .collect();
    assert!(missing.is_empty(), "no row reaches {missing:?}");
}
