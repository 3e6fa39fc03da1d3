//! From a file of rows to [`Row`].

use crate::dataplane::Action;
use crate::packet::Family;
use anyhow::{Context, Result, bail, ensure};
use lb_common::reason::{Outcome, Reason};
use std::path::Path;

/// What `given` says of frames that have little room in front.
pub(super) const HEADROOM: &str = "headroom";

/// One row. What it says of packets and flows is still text, as it may hold for both families.
#[derive(Clone, Debug)]
pub struct Row {
    /// `FILE:LINE`.
    pub place: String,
    /// What it is about.
    pub description: String,
    /// The families that it is run for.
    pub families: Vec<Family>,
    /// What happens, in order.
    pub(super) steps: Vec<Step>,
    /// The flows at the end, if they matter.
    pub(super) flows: Option<Vec<String>>,
    /// What servers' counters say at the end.
    pub(super) counts: Vec<String>,
    /// How many live connections servers have at the end.
    pub(super) loads: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Given(String),
    Later(u32),
    Packet { input: String, reason: Reason, action: Action, output: Option<String> },
}

impl Row {
    /// The reasons that its packets have.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> {
        self.steps.iter().filter_map(|step| match step {
            Step::Packet { reason, .. } => Some(*reason),
            _ => None,
        })
    }

    /// Whether only the host build can be given what the row needs.
    pub fn is_for_host_alone(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::Given(given) if given.starts_with(HEADROOM)))
    }
}

/// Reads all files of rows, in the order of their names.
pub fn load_all() -> Result<Vec<(String, Vec<Row>)>> {
    let folder = Path::new(super::FOLDER);
    let mut tables = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rows") {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("reading {}", path.display()))?;
            let rows = parse_rows(&file, &text)?;
            tables.push((file, rows));
        }
    }
    tables.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(tables)
}

/// Reads rows; `file` is the name that errors show.
pub fn parse_rows(file: &str, text: &str) -> Result<Vec<Row>> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        match (line.starts_with('/'), lines.last_mut()) {
            (true, Some((_, last))) => {
                last.push(' ');
                last.push_str(line);
            }
            _ if line.is_empty() || line.starts_with('#') => {}
            _ => lines.push((number + 1, line.to_owned())),
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for (number, line) in lines {
        add(&mut rows, &line, &format!("{file}:{number}"))
            .with_context(|| format!("{file}:{number}: {line}"))?;
    }
    for row in &mut rows {
        row.families = families(row).with_context(|| row.place.clone())?;
    }
    Ok(rows)
}

fn add(rows: &mut Vec<Row>, line: &str, place: &str) -> Result<()> {
    let (word, rest) = line.split_once(' ').with_context(|| format!("{line:?} alone"))?;
    let rest = rest.trim();
    if word == "row" {
        rows.push(Row {
            place: place.to_owned(),
            description: rest.to_owned(),
            families: Vec::new(),
            steps: Vec::new(),
            flows: None,
            counts: Vec::new(),
            loads: Vec::new(),
        });
        return Ok(());
    }
    let row = rows.last_mut().context("the first line of a row begins with `row`")?;
    match word {
        "given" => row.steps.push(Step::Given(rest.to_owned())),
        "later" => row.steps.push(Step::Later(rest.parse()?)),
        // Any reason will do until `is` tells it.
        "in" => row.steps.push(Step::Packet {
            input: rest.to_owned(),
            reason: Reason::NotIp,
            action: Action::Aborted,
            output: None,
        }),
        "is" => match row.steps.last_mut() {
            Some(Step::Packet { reason, action, .. }) => (*reason, *action) = parse_verdict(rest)?,
            _ => bail!("`is` follows `in`"),
        },
        "out" => match row.steps.last_mut() {
            Some(Step::Packet { output, .. }) => *output = Some(rest.to_owned()),
            _ => bail!("`out` follows `is`"),
        },
        "then" => {
            let flows = row.flows.get_or_insert_default();
            if rest != "nothing" {
                flows.push(rest.to_owned());
            }
        }
        "count" => row.counts.push(rest.to_owned()),
        "load" => row.loads.push(rest.to_owned()),
        other => bail!("no line {other:?}"),
    }
    Ok(())
}

fn parse_verdict(text: &str) -> Result<(Reason, Action)> {
    let (name, way) = text.split_once(' ').unwrap_or((text, ""));
    let reason = Reason::ALL.iter().find(|reason| reason.name() == name);
    let reason = *reason.with_context(|| format!("no reason {name:?}"))?;
    let action = match (reason.outcome(), way) {
        (Outcome::Passed, "") => Action::Pass,
        (Outcome::Dropped, "") => Action::Drop,
        (Outcome::Answered, "") | (Outcome::Forwarded, "tx") => Action::Tx,
        (Outcome::Forwarded, "redirect") => Action::Redirect,
        (Outcome::Forwarded, _) => bail!("forwarded: tx or redirect?"),
        (_, way) => bail!("{way:?} is for what is forwarded"),
    };
    Ok((reason, action))
}

/// Checks that the row is complete, and says for which families it holds.
fn families(row: &Row) -> Result<Vec<Family>> {
    let mut packets = row.steps.iter().filter_map(|step| match step {
        Step::Packet { input, action, output, .. } => Some((input, *action, output)),
        _ => None,
    });
    ensure!(
        packets.clone().all(|(_, action, output)| match action {
            Action::Tx | Action::Redirect => output.is_some(),
            Action::Pass | Action::Drop => output.is_none(),
            Action::Aborted => false,
        }),
        "`in`, then `is`, and `out` exactly where something is sent"
    );
    let (input, ..) = packets.clone().next().context("no packet")?;
    let has = |text: &str, layer| text.split(" / ").any(|part| part.trim().starts_with(layer));
    if packets.any(|(input, ..)| has(input, "ip ")) {
        Ok(vec![Family::V4, Family::V6])
    } else if has(input, "ip6 ") {
        Ok(vec![Family::V6])
    } else {
        Ok(vec![Family::V4])
    }
}
