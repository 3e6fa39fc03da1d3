//! Which crate of the workspace may import which: imports run one way.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use cargo_metadata::Metadata;

/// For each crate of the workspace, the others that it may import, in any kind of dependency.
const ALLOWED: [(&str, &[&str]); 7] = [
    ("lb-common", &[]),
    ("lb-ebpf", &["lb-common"]),
    ("lb-agent", &["lb-common"]),
    ("lb-ctl", &["lb-common"]),
    ("lb-proxy", &["lb-common"]),
    ("lb-tests", &["lb-agent", "lb-common"]),
    ("xtask", &[]),
];

/// Crates that must not be in another's tree: the command line speaks the control API, never BPF.
const APART: [(&str, &str); 1] = [("lb-ctl", "aya")];

/// Crates by name.
#[derive(Default)]
pub(crate) struct Graph {
    /// The workspace's crates, with all that their manifests name.
    members: BTreeMap<String, BTreeSet<String>>,
    /// All crates, with what cargo resolved for them.
    resolved: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// The graph in what `cargo metadata` says.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let members = metadata
            .workspace_packages()
            .into_iter()
            .map(|package| {
                let imports = package.dependencies.iter().map(|import| import.name.clone());
                (package.name.to_string(), imports.collect())
            })
            .collect();
        let mut resolved = BTreeMap::<String, BTreeSet<String>>::new();
        for node in metadata.resolve.iter().flat_map(|resolve| &resolve.nodes) {
            let imports = node.dependencies.iter().map(|id| metadata[id].name.to_string());
            resolved.entry(metadata[&node.id].name.to_string()).or_default().extend(imports);
        }
        Self { members, resolved }
    }

    /// The shortest chain of imports from one crate to another, both included.
    fn chain<'a>(&'a self, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
        let mut seen = BTreeSet::from([from]);
        let mut chains = std::collections::VecDeque::from([vec![from]]);
        while let Some(chain) = chains.pop_front() {
            let last = *chain.last()?;
            if last == to {
                return Some(chain);
            }
            for next in self.resolved.get(last).into_iter().flatten() {
                if seen.insert(next) {
                    chains.push_back([&chain[..], &[next]].concat());
                }
            }
        }
        None
    }
}

/// # Errors
/// Lists every import that breaks the rule.
pub(crate) fn check(graph: &Graph) -> Result<()> {
    let broken = violations(graph);
    if !broken.is_empty() {
        bail!("imports run the wrong way:\n  {}", broken.join("\n  "));
    }
    Ok(())
}

fn violations(graph: &Graph) -> Vec<String> {
    let mut broken = Vec::new();
    for (member, imports) in &graph.members {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| name == member) else {
            broken
                .push(format!("{member} is new: xtask/src/imports.rs must say what it may import"));
            continue;
        };
        for import in imports.iter().filter(|import| graph.members.contains_key(*import)) {
            if !allowed.contains(&import.as_str()) {
                broken.push(format!("{member} may not import {import}"));
            }
        }
    }
    for (member, apart) in APART {
        if let Some(chain) = graph.chain(member, apart) {
            broken.push(format!("{member} must do without {apart}: {}", chain.join(" → ")));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::{Graph, violations};

    /// A graph from lines `crate: import import …`; names that start with `lb-` and `xtask` are
    /// the workspace's.
    fn graph(lines: &[&str]) -> Graph {
        let mut graph = Graph::default();
        for line in lines {
            let (name, imports) = line.split_once(':').unwrap();
            let imports: std::collections::BTreeSet<_> =
                imports.split_whitespace().map(str::to_owned).collect();
            if name.starts_with("lb-") || name == "xtask" {
                graph.members.insert(name.to_owned(), imports.clone());
            }
            graph.resolved.insert(name.to_owned(), imports);
        }
        graph
    }

    #[test]
    fn the_houses_own_imports_are_allowed() {
        let house = graph(&[
            "lb-common: zerocopy",
            "lb-ebpf: lb-common aya-ebpf",
            "lb-agent: lb-common aya",
            "lb-ctl: lb-common hyper",
            "lb-tests: lb-agent lb-common aya",
            "xtask: clap",
            "aya: libc",
        ]);
        assert_eq!(violations(&house), [""; 0]);
    }

    #[test]
    fn an_import_upwards_or_sideways_is_named() {
        let house = graph(&[
            "lb-common: lb-ebpf",
            "lb-ebpf: lb-common",
            "lb-agent: lb-common lb-ctl",
            "lb-ctl: lb-agent",
            "lb-tests: lb-ctl",
            "xtask: lb-common",
        ]);
        assert_eq!(
            violations(&house),
            [
                "lb-agent may not import lb-ctl",
                "lb-common may not import lb-ebpf",
                "lb-ctl may not import lb-agent",
                "lb-tests may not import lb-ctl",
                "xtask may not import lb-common",
            ]
        );
    }

    #[test]
    fn aya_deep_in_the_command_lines_tree_is_found() {
        let house = graph(&["lb-ctl: hyper tables", "hyper: bytes", "tables: aya", "aya: libc"]);
        assert_eq!(violations(&house), ["lb-ctl must do without aya: lb-ctl → tables → aya"]);
    }

    #[test]
    fn a_crate_without_a_rule_is_refused() {
        let house = graph(&["lb-new: clap"]);
        assert_eq!(
            violations(&house),
            ["lb-new is new: xtask/src/imports.rs must say what it may import"]
        );
    }
}
