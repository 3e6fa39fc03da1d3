//! What was measured, as JSON and as a table.

use crate::agent::Agent;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// What one run has measured. Times are in milliseconds.
#[derive(Serialize)]
pub(crate) struct Figures {
    pub(crate) services: u32,
    pub(crate) servers: u32,
    /// Addresses that the servers share.
    pub(crate) addresses: u32,
    /// From the start of the agent until it answers: tables are written, the program is attached.
    pub(crate) load_ms: f64,
    /// The same, until each server's next hop is known and all are listed as up.
    pub(crate) all_up_ms: f64,
    /// As `load_ms`, where the data plane is there already.
    pub(crate) restart_ms: f64,
    /// A file with another weight of one server, until it is in force.
    pub(crate) reload_ms: Spread,
    /// Of each kind, over the control socket, until it is on disk and in force.
    pub(crate) changes_ms: BTreeMap<&'static str, Spread>,
    /// `lb-ctl service ls`, its process included.
    pub(crate) service_ls_ms: Spread,
    /// A short question while the agent does nothing but its routine.
    pub(crate) idle_answer_ms: Spread,
    /// The same while `lb-ctl service ls` runs, again and again.
    pub(crate) listing_answer_ms: Spread,
    /// The same while files are reloaded.
    pub(crate) reloading_answer_ms: Spread,
    pub(crate) memory: Memory,
    /// After changes, lists and a reload.
    pub(crate) memory_in_the_end: Memory,
    /// What each kind of change does to the maps.
    pub(crate) operations: BTreeMap<&'static str, Vec<String>>,
}

/// Of several times, in milliseconds.
#[derive(Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
    count: usize,
}

impl Spread {
    /// Of something that is done so often.
    pub(crate) fn of(count: u32, work: impl FnMut(u32) -> Result<Duration>) -> Result<Self> {
        Self::from((0..count).map(work).collect::<Result<_>>()?)
    }

    pub(crate) fn from(mut times: Vec<Duration>) -> Result<Self> {
        times.sort_unstable();
        let at = |place: usize| times.get(place).copied().map(Self::milliseconds);
        let (count, none) = (times.len(), "nothing was measured");
        Ok(Self {
            min: at(0).context(none)?,
            median: at(count / 2).context(none)?,
            max: at(count.saturating_sub(1)).context(none)?,
            count,
        })
    }

    pub(crate) fn milliseconds(time: Duration) -> f64 {
        (time.as_secs_f64() * 1e6).round() / 1e3
    }
}

/// An agent's memory in kB, from `/proc/PID/status`.
#[derive(Serialize)]
pub(crate) struct Memory {
    /// All that it has in RAM.
    resident: u64,
    /// Its own: heap and stacks.
    anonymous: u64,
    /// The program's code, and maps that it has in its memory: they are there without it too.
    file: u64,
    /// The most that `resident` has been.
    peak: u64,
}

impl Memory {
    pub(crate) fn of(agent: &Agent) -> Result<Self> {
        let [resident, anonymous, file, shared, peak] =
            agent.memory(["VmRSS", "RssAnon", "RssFile", "RssShmem", "VmHWM"])?;
        Ok(Self { resident, anonymous, file: file + shared, peak })
    }
}

/// All runs side by side.
pub(crate) fn table(runs: &[Figures]) -> String {
    let mut text = String::new();
    let mut row = |name: &str, cell: &dyn Fn(&Figures) -> String| {
        let cells: String = runs.iter().map(|run| format!("{:>20}", cell(run))).collect();
        let _ = writeln!(text, "{name:<38}{cells}");
    };
    row("services", &|run| run.services.to_string());
    row("servers", &|run| run.servers.to_string());
    row("addresses of servers", &|run| run.addresses.to_string());
    row("start until it answers", &|run| time(run.load_ms));
    row("start until all servers are up", &|run| time(run.all_up_ms));
    row("start with tables in place", &|run| time(run.restart_ms));
    row("reload, one weight differs", &|run| time(run.reload_ms.median));
    for change in runs.first().iter().flat_map(|run| run.changes_ms.keys()) {
        row(&format!("{change}, min / median"), &|run| {
            run.changes_ms.get(change).map_or(String::new(), |times| pair(times.min, times.median))
        });
    }
    row("lb-ctl service ls", &|run| time(run.service_ls_ms.median));
    type Times = fn(&Figures) -> &Spread;
    let answers: [(&str, Times); 3] = [
        ("idle", |run| &run.idle_answer_ms),
        ("listing", |run| &run.listing_answer_ms),
        ("reloading", |run| &run.reloading_answer_ms),
    ];
    for (meanwhile, times) in answers {
        row(&format!("answer while {meanwhile}, median / max"), &|run| {
            pair(times(run).median, times(run).max)
        });
    }
    row("memory, resident", &|run| megabytes(run.memory.resident));
    row("  of this its own", &|run| megabytes(run.memory.anonymous));
    row("  of this code and mapped tables", &|run| megabytes(run.memory.file));
    row("  the most there was", &|run| megabytes(run.memory.peak));
    row("memory, resident, in the end", &|run| megabytes(run.memory_in_the_end.resident));
    row("  of this its own", &|run| megabytes(run.memory_in_the_end.anonymous));
    if let Some(run) = runs.last() {
        let _ = writeln!(text, "\nWhat a change does to the maps:");
        for (change, operations) in &run.operations {
            let _ = writeln!(text, "  {change:<15}{}", operations.join(", "));
        }
    }
    text
}

fn time(milliseconds: f64) -> String {
    if milliseconds < 1000.0 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{:.2} s", milliseconds / 1000.0)
    }
}

fn pair(one: f64, other: f64) -> String {
    format!("{one:.1} / {other:.1} ms")
}

fn megabytes(kilobytes: u64) -> String {
    format!("{:.1} MB", kilobytes as f64 / 1000.0 * 1.024)
}
