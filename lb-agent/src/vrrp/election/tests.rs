use super::*;

/// Each: name, priority, its options (`n`: doesn't preempt, `m`: starts as master), and weights.
fn candidates(nodes: &[(&str, u8, &str, &[i16])]) -> Vec<Candidate> {
    let tracked = |weight: &i16| (format!("w{weight}"), *weight);
    let candidate = |(name, priority, options, weights): &(&str, u8, &str, &[i16])| Candidate {
        name: (*name).to_owned(),
        priority: *priority,
        preempt: !options.contains('n'),
        starts_as_master: options.contains('m'),
        tracked: weights.iter().map(tracked).collect(),
    };
    nodes.iter().map(candidate).collect()
}

fn outcomes(election: &Election) -> Vec<Outcome> {
    election.failures.iter().map(|failure| failure.outcome.clone()).collect()
}

fn warnings(election: &Election) -> Vec<String> {
    election.warnings.iter().map(Warning::to_string).collect()
}

#[test]
fn a_weight_beyond_the_gap_moves_the_addresses() {
    use Outcome::Master;
    let election = hold(&candidates(&[("lb1", 101, "", &[2, 0]), ("lb2", 100, "", &[2, 0])]));
    assert_eq!(election.now, Master(0));
    assert_eq!(outcomes(&election), [Master(1), Master(1), Master(0), Master(0)]);
    assert_eq!(warnings(&election), [""; 0]);
    let at: Vec<_> =
        election.failures.iter().map(|failure| (failure.node, failure.thing)).collect();
    assert_eq!(at, [(0, 0), (0, 1), (1, 0), (1, 1)]);
}

#[test]
fn a_weight_within_the_gap_is_warned_of() {
    for (weight, sinks_to, others) in [(1, 101, 101), (-1, 100, 100), (2, 110, 102)] {
        let priority = if weight == 2 { 110 } else { 101 };
        let nodes: [(&str, u8, &str, &[i16]); 2] =
            [("lb1", priority, "", &[weight]), ("lb2", 100, "", &[weight])];
        let election = hold(&candidates(&nodes));
        let expected = Warning::TooLight {
            thing: format!("w{weight}"),
            node: "lb1".into(),
            sinks_to,
            other: "lb2".into(),
            others,
        };
        assert_eq!(election.warnings, [expected], "{weight}");
        assert_eq!(outcomes(&election), [Outcome::Master(0), Outcome::Master(0)]);
    }
}

#[test]
fn what_the_range_of_priorities_cuts_off_is_seen() {
    let election = hold(&candidates(&[("lb1", 254, "", &[9]), ("lb2", 250, "", &[])]));
    assert_eq!(election.failures[0].outcome, Outcome::Master(0));
    assert_eq!(warnings(&election).len(), 1);
}

#[test]
fn equal_priorities_and_forced_masters_are_warned_of() {
    let election = hold(&candidates(&[("lb1", 101, "m", &[0]), ("lb2", 101, "m", &[])]));
    assert_eq!(election.now, Outcome::Tied(vec![0, 1]));
    assert_eq!(outcomes(&election), [Outcome::Master(1)]);
    let [same, forced] = &warnings(&election)[..] else { panic!("two warnings") };
    assert!(same.starts_with("lb1 and lb2 have the same priority, 101"), "{same}");
    assert!(forced.starts_with("lb1 and lb2 all begin as MASTER"), "{forced}");
}

#[test]
fn who_does_not_preempt_takes_over_only_from_the_dead() {
    let election = hold(&candidates(&[("lb1", 101, "", &[2, 0]), ("lb2", 100, "n", &[])]));
    assert_eq!(outcomes(&election), [Outcome::Master(0), Outcome::Master(1)]);
    let [warning] = &election.warnings[..] else { panic!("one warning") };
    assert!(matches!(warning, Warning::TooLight { .. }), "{warning}");
    let election = hold(&candidates(&[("lb1", 101, "", &[-2]), ("lb2", 100, "n", &[])]));
    assert_eq!(outcomes(&election), [Outcome::Master(0)]);
    let nobody =
        Warning::NobodyPreempts { thing: "w-2".into(), node: "lb1".into(), other: "lb2".into() };
    assert_eq!(election.warnings, [nobody]);
}

#[test]
fn three_nodes_and_none() {
    let nodes = [("a", 90, "", &[][..]), ("b", 110, "", &[-30][..]), ("c", 100, "", &[][..])];
    let election = hold(&candidates(&nodes));
    assert_eq!(
        (election.now.clone(), outcomes(&election)),
        (Outcome::Master(1), vec![Outcome::Master(2)])
    );
    assert_eq!(hold(&[]).now, Outcome::Nobody);
    let alone = hold(&candidates(&[("a", 90, "", &[0, 2])]));
    assert_eq!(outcomes(&alone), [Outcome::Nobody, Outcome::Master(0)]);
    assert_eq!(warnings(&alone), [""; 0]);
}
