//! Who is master, worked out beforehand from the configuration of all nodes.

use super::track::{Health, Standing, standing};
use std::fmt;

/// One node's part in a virtual router.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The node.
    pub name: String,
    /// As configured.
    pub priority: u8,
    /// Whether it takes the mastership from a node of lower priority.
    pub preempt: bool,
    /// Whether its initial state is MASTER.
    pub starts_as_master: bool,
    /// Names and weights of what it tracks.
    pub tracked: Vec<(String, i16)>,
}

/// What becomes of the virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The candidate of this index is master.
    Master(usize),
    /// These have the same priority: of those that start at once, the one with the highest
    /// address is master, and who has been master stays so.
    Tied(Vec<usize>),
    /// Nobody is.
    Nobody,
}

/// One thing fails on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Index of the candidate.
    pub node: usize,
    /// Index of what it tracks.
    pub thing: usize,
    /// Who is master then, after who was with all well.
    pub outcome: Outcome,
}

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// With all well.
    pub now: Outcome,
    /// For each tracked thing of each node.
    pub failures: Vec<Failure>,
    /// What is probably not meant.
    pub warnings: Vec<Warning>,
}

/// What never moves an address, or moves it for no reason. In words by its `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// These nodes have the same priority with all well.
    SamePriority {
        /// Their names.
        nodes: Vec<String>,
        /// With what their weights add.
        priority: u8,
    },
    /// These nodes all begin as master.
    AllStartAsMaster {
        /// Their names.
        nodes: Vec<String>,
    },
    /// The weight is too small: the master stays the master.
    TooLight {
        /// The tracked thing.
        thing: String,
        /// The master.
        node: String,
        /// What its priority sinks to.
        sinks_to: u8,
        /// The best of the others.
        other: String,
        /// That one's priority.
        others: u8,
    },
    /// The weight is enough, but the better node doesn't preempt.
    NobodyPreempts {
        /// The tracked thing.
        thing: String,
        /// The master.
        node: String,
        /// The better one then.
        other: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SamePriority { nodes, priority } => write!(
                f,
                "{} have the same priority, {priority}: which one is master is left to chance and \
                 to their addresses",
                nodes.join(" and ")
            ),
            Self::AllStartAsMaster { nodes } => write!(
                f,
                "{} all begin as MASTER: that is for one node, and the priority decides anyway",
                nodes.join(" and ")
            ),
            Self::TooLight { thing, node, sinks_to, other, others } => write!(
                f,
                "if {thing} fails on {node}, its priority sinks to {sinks_to}, but {other} has no \
                 more than {others}: {node} stays master; a greater weight moves the addresses"
            ),
            Self::NobodyPreempts { thing, node, other } => write!(
                f,
                "if {thing} fails on {node}, {other} has the higher priority, but doesn't preempt: \
                 {node} stays master; preempt on {other}, or weight 0, moves the addresses"
            ),
        }
    }
}

/// Holds the election, and each that would follow a failure.
pub fn hold(candidates: &[Candidate]) -> Election {
    let well = standings(candidates, None);
    let now = best(&well);
    let mut warnings = odd_settings(candidates, &now, &well);
    let mut failures = vec![];
    for (node, candidate) in candidates.iter().enumerate() {
        for (thing, (name, _)) in candidate.tracked.iter().enumerate() {
            let after = standings(candidates, Some((node, thing)));
            let outcome = succession(candidates, &now, &after);
            if now == Outcome::Master(node) && outcome == now {
                warnings.extend(why_it_stays(candidates, node, name, &after));
            }
            failures.push(Failure { node, thing, outcome });
        }
    }
    Election { now, failures, warnings }
}

/// The priority of each, if it takes part; with all well but for one thing of one node.
fn standings(candidates: &[Candidate], failed: Option<(usize, usize)>) -> Vec<Option<u8>> {
    let health = |at| if Some(at) == failed { Health::Failed } else { Health::Well };
    let one = |(node, candidate): (usize, &Candidate)| {
        let tracked = candidate.tracked.iter().enumerate();
        let tracked = tracked.map(|(thing, (_, weight))| (*weight, health((node, thing))));
        match standing(candidate.priority, tracked) {
            Standing::Priority(priority) => Some(priority),
            Standing::Fault(_) | Standing::Wait(_) => None,
        }
    };
    candidates.iter().enumerate().map(one).collect()
}

fn best(priorities: &[Option<u8>]) -> Outcome {
    let highest = priorities.iter().max().copied().flatten();
    let have_it = |(node, priority): (usize, &Option<u8>)| {
        (priority.is_some() && *priority == highest).then_some(node)
    };
    let nodes: Vec<usize> = priorities.iter().enumerate().filter_map(have_it).collect();
    match nodes[..] {
        [] => Outcome::Nobody,
        [node] => Outcome::Master(node),
        _ => Outcome::Tied(nodes),
    }
}

/// Who follows, once the priorities are these.
fn succession(candidates: &[Candidate], now: &Outcome, priorities: &[Option<u8>]) -> Outcome {
    let &Outcome::Master(master) = now else { return best(priorities) };
    let Some(own) = priorities[master] else { return best(priorities) };
    let challenges = |node: usize, priority: Option<u8>| {
        (candidates[node].preempt && priority > Some(own)).then_some(priority).flatten()
    };
    let challengers: Vec<Option<u8>> =
        priorities.iter().enumerate().map(|(node, priority)| challenges(node, *priority)).collect();
    match best(&challengers) {
        Outcome::Nobody => now.clone(),
        outcome => outcome,
    }
}

fn odd_settings(candidates: &[Candidate], now: &Outcome, well: &[Option<u8>]) -> Vec<Warning> {
    let mut warnings = vec![];
    if let Outcome::Tied(nodes) = now
        && let Some(priority) = nodes.first().and_then(|node| well[*node])
    {
        let nodes = nodes.iter().map(|node| candidates[*node].name.clone()).collect();
        warnings.push(Warning::SamePriority { nodes, priority });
    }
    let forced = candidates.iter().filter(|candidate| candidate.starts_as_master);
    let nodes: Vec<String> = forced.map(|candidate| candidate.name.clone()).collect();
    if nodes.len() > 1 {
        warnings.push(Warning::AllStartAsMaster { nodes });
    }
    warnings
}

/// Why a failure on the master doesn't move the addresses: nothing, if there is nobody else.
fn why_it_stays(
    candidates: &[Candidate],
    master: usize,
    thing: &str,
    after: &[Option<u8>],
) -> Option<Warning> {
    let sinks_to = after[master]?;
    let others = after.iter().enumerate().filter(|(node, _)| *node != master);
    let (other, others) = others
        .filter_map(|(node, priority)| Some((node, (*priority)?)))
        .max_by_key(|(_, priority)| *priority)?;
    let thing = thing.to_owned();
    let node = candidates[master].name.clone();
    let other = candidates[other].name.clone();
    Some(if others > sinks_to {
        Warning::NobodyPreempts { thing, node, other }
    } else {
        Warning::TooLight { thing, node, sinks_to, other, others }
    })
}

#[cfg(test)]
mod tests;
