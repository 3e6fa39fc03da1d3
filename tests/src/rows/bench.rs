//! Runs rows through both builds.

use super::row::{HEADROOM, Row, Step};
use super::services::end_key;
use super::stage::Stage;
use super::{change, flow};
use crate::dataplane::{Action, Host, Kernel, Output, World, monotonic_seconds};
use crate::lab::{Lab, verify_checksums};
use crate::packet::{Family, Fields, Packet, difference};
use anyhow::{Context, Result, anyhow, bail, ensure};
use lb_common::abi::{Stats, map};
use lb_common::datapath::FlowTable;
use lb_common::reason::{Outcome, Reason};
use std::fmt::{self, Display};
use std::path::Path;

/// A row that did not go as it says.
#[derive(Debug)]
pub struct Failure {
    /// `FILE:LINE (FAMILY): DESCRIPTION`.
    pub row: String,
    /// What happened instead.
    pub error: anyhow::Error,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  {:#}", self.row, self.error)
    }
}

/// Both builds on one stage.
pub struct Bench {
    stage: Stage,
    kernel: Kernel,
}

/// How often a row is begun anew when the clock's second changes while it runs.
const ATTEMPTS: usize = 20;

impl Bench {
    /// Loads the program that was built last, and sets the stage.
    pub fn new() -> Result<Self> {
        const OBJECT: &str = env!("LB_EBPF_OBJECT");
        let lab = Lab::new("rows")?;
        let stage = Stage::set(&lab, &Path::new(super::FOLDER).join("world.txt"))?;
        let object = std::fs::read(OBJECT).with_context(|| format!("reading {OBJECT}"))?;
        let kernel = Kernel::load(&object, &stage.world)?;
        Ok(Self { stage, kernel })
    }

    /// Runs rows; those that did not go as they say.
    pub fn run(&mut self, rows: &[Row]) -> Vec<Failure> {
        let Self { stage, kernel } = self;
        stage.director.run(|| run_all(stage, kernel, rows))
    }
}

fn run_all(stage: &Stage, kernel: &mut Kernel, rows: &[Row]) -> Vec<Failure> {
    let mut failures = Vec::new();
    for row in rows {
        for family in &row.families {
            let description = format!("{} ({family:?}): {}", row.place, row.description);
            if let Err(error) = run_steadily(stage, kernel, row, *family) {
                failures.push(Failure { row: description, error });
            }
        }
    }
    failures
}

/// Runs a row within one second of the clock, so that both builds see the same time.
fn run_steadily(stage: &Stage, kernel: &mut Kernel, row: &Row, family: Family) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let now = monotonic_seconds();
        let result = Run::new(stage, kernel, row, family, now)?.run(row);
        if monotonic_seconds() == now {
            return result;
        }
    }
    bail!("the clock's second changed in each of {ATTEMPTS} attempts")
}

/// One row in one family.
struct Run<'a> {
    stage: &'a Stage,
    kernel: &'a mut Kernel,
    host: Host,
    /// What both builds have been given.
    world: World,
    family: Family,
    /// The kernel's clock, which stands still for the row.
    now: u32,
    /// Seconds that have passed in the row: the host's clock is ahead, the kernel's flows are older.
    passed: u32,
    /// Room in front of the frames, where the row tells it: it is for the host build alone then.
    headroom: Option<usize>,
    /// The kernel's counters before the row: services', then servers'.
    stats: Vec<Stats>,
}

impl<'a> Run<'a> {
    fn new(
        stage: &'a Stage,
        kernel: &'a mut Kernel,
        row: &Row,
        family: Family,
        now: u32,
    ) -> Result<Self> {
        let mut run = Self {
            stage,
            kernel,
            host: Host::new(&stage.world),
            world: stage.world.clone(),
            family,
            now,
            passed: 0,
            headroom: None,
            stats: Vec::new(),
        };
        for step in &row.steps {
            // What is given before the first packet is there from the start.
            let Step::Given(given) = step else { break };
            run.give(given)?;
        }
        run.world.loads.resize(stage.servers.len(), 0);
        run.host = Host::new(&run.world);
        run.host.headroom = run.headroom.unwrap_or(run.host.headroom);
        run.host.set_now(now);
        run.kernel.clear_flows()?;
        run.kernel.rewind_cursors()?;
        run.kernel.fill(&run.world)?;
        // From now on they change by themselves.
        run.world.loads.clear();
        run.stats = run.kernel_stats()?;
        Ok(run)
    }

    fn run(mut self, row: &Row) -> Result<()> {
        let begun = row.steps.iter().take_while(|step| matches!(step, Step::Given(_))).count();
        for (number, step) in row.steps[begun..].iter().enumerate() {
            self.step(step).with_context(|| format!("step {}", number + 1))?;
        }
        self.compare_flows(row)?;
        self.compare_loads(row)?;
        self.compare_stats(row)
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Given(given) => {
                self.world.flows.clear();
                self.give(given)?;
                let is_change = self.world.flows.is_empty() && self.world.loads.is_empty();
                ensure!(is_change, "flows and loads are given before the first packet");
                self.kernel.fill(&self.world)?;
                *self.host.servers_mut() = self.world.servers.clone();
                *self.host.services_mut() = self.world.services.iter().copied().collect();
                *self.host.slots_mut() = self.world.slots.clone();
                Ok(())
            }
            Step::Later(seconds) => self.wait(*seconds),
            Step::Packet { input, reason, action, output } => {
                self.packet(input, (*reason, *action), output.as_deref())
            }
        }
    }

    fn give(&mut self, text: &str) -> Result<()> {
        let mut fields = Fields::new(text);
        let name = fields.word("what is given")?;
        if name == HEADROOM {
            self.headroom = Some(fields.number(name)?);
            return Ok(());
        }
        if flow::is_flow(name) {
            let flow = flow::parse(text, self.family, self.stage, self.now)?;
            self.world.flows.push(flow);
            return Ok(());
        }
        let change = fields.word("what happened to the server")?;
        if change == "load" {
            let load: i64 = fields.word(change)?.parse()?;
            self.world.loads.resize(self.stage.servers.len(), 0);
            for index in self.servers_at(name)? {
                self.world.loads[index] = load;
            }
            return fields.end();
        }
        let names = &self.stage.servers;
        let indexes: Vec<_> = (0..names.len()).filter(|index| names[*index] == name).collect();
        ensure!(!indexes.is_empty(), "no server {name:?}");
        for index in indexes {
            change::server(&mut self.world, index, change)?;
        }
        fields.end()
    }

    fn wait(&mut self, seconds: u32) -> Result<()> {
        self.passed += seconds;
        self.host.set_now(self.now + self.passed);
        self.world.flows.clear();
        for table in [FlowTable::Established, FlowTable::HalfOpen] {
            for (key, mut flow) in self.kernel.flows(table)? {
                flow.seen = flow.seen.wrapping_sub(seconds);
                self.world.flows.push((table, key, flow));
            }
        }
        self.kernel.fill(&self.world)
    }

    fn packet(
        &mut self,
        input: &str,
        expected: (Reason, Action),
        output: Option<&str>,
    ) -> Result<()> {
        let hosts = &self.stage.hosts;
        let input = Packet::parse(input, self.family, hosts)?.build();
        let output = output.map(|text| Packet::parse(text, self.family, hosts)).transpose()?;
        let mut results = vec![("host", self.host.run_for_reason(&input))];
        if self.headroom.is_none() {
            results.push(("kernel", self.kernel.run_for_reason(&input)?));
        }
        for (build, (result, reason)) in &results {
            let actual = (*reason, result.action);
            if actual != expected {
                bail!("{build}: not {} but {}", show_verdict(expected), show_verdict(actual));
            }
            let frame = match (&output, result.action) {
                (Some(packet), _) => &packet.build(),
                (None, Action::Pass) => &input,
                (None, _) => continue,
            };
            if result.frame != *frame {
                let text = difference(frame, &result.frame, hosts);
                bail!("{build}: not the packet that should come out\n{text}");
            }
            check_sums(*reason, &input, result).with_context(|| build.to_string())?;
        }
        match results.as_slice() {
            [(_, (host, _)), (_, (kernel, _))] if host != kernel => {
                bail!("host and kernel differ\n{}", difference(&host.frame, &kernel.frame, hosts))
            }
            _ => Ok(()),
        }
    }

    fn compare_flows(&mut self, row: &Row) -> Result<()> {
        let stage = self.stage;
        let flows = self.host.flows();
        let flows = flows.iter().map(|((table, key), flow)| (*table, key, flow));
        let host = flow::show(flows, stage, self.now + self.passed);
        if let Some(expected) = &row.flows {
            let parsed: Vec<_> = expected
                .iter()
                .map(|text| flow::parse(text, self.family, stage, self.now).context(text.clone()))
                .collect::<Result<_>>()?;
            let parsed = parsed.iter().map(|(table, key, flow)| (*table, key, flow));
            same(
                "flows, as expected and in the host build",
                flow::show(parsed, stage, self.now),
                &host,
            )?;
        }
        if self.headroom.is_some() {
            return Ok(());
        }
        let mut kernel = Vec::new();
        for table in [FlowTable::Established, FlowTable::HalfOpen] {
            let flows = self.kernel.flows(table)?;
            kernel.extend(flows.into_iter().map(|(key, flow)| (table, key, flow)));
        }
        let kernel = kernel.iter().map(|(table, key, flow)| (*table, key, flow));
        same("flows, in kernel and host", flow::show(kernel, stage, self.now), &host)
    }

    fn compare_stats(&mut self, row: &Row) -> Result<()> {
        let services = self.service_ids();
        let service_stats = services.map(|id| self.host.service_stats(id));
        let servers = 0..self.stage.servers.len() as u32;
        let host: Vec<Stats> =
            service_stats.chain(servers.map(|index| self.host.server_stats(index))).collect();
        if self.headroom.is_none() {
            let (before, after) = (&self.stats, self.kernel_stats()?);
            let since = |(before, after): (&Stats, &Stats)| Stats {
                connections: after.connections - before.connections,
                packets_in: after.packets_in - before.packets_in,
                bytes_in: after.bytes_in - before.bytes_in,
                packets_out: after.packets_out - before.packets_out,
                bytes_out: after.bytes_out - before.bytes_out,
            };
            let kernel: Vec<Stats> = before.iter().zip(&after).map(since).collect();
            ensure!(kernel == host, "counters differ: kernel {kernel:?}, host {host:?}");
        }
        for text in &row.counts {
            self.check_count(text).with_context(|| format!("count {text}"))?;
        }
        Ok(())
    }

    fn compare_loads(&self, row: &Row) -> Result<()> {
        for index in 0..self.stage.servers.len() as u32 {
            let host = self.host.load_of(index);
            if self.headroom.is_none() {
                let kernel = self.kernel.load_of(index)?;
                let name = &self.stage.servers[index as usize];
                ensure!(kernel == host, "load of {name}: kernel {kernel}, host {host}");
            }
        }
        for text in &row.loads {
            let (name, expected) = text.split_once(' ').context("a server and its load")?;
            for index in self.servers_at(name)? {
                let load = self.host.load_of(index as u32);
                ensure!(load == expected.parse::<i64>()?, "load {text}: is {load}");
            }
        }
        Ok(())
    }

    /// The servers at `NAME:PORT` in the row's family.
    fn servers_at(&self, end: &str) -> Result<Vec<usize>> {
        let (name, port) = end.split_once(':').context("NAME:PORT of a server")?;
        let (ip, port) = (self.stage.hosts.ip(name, self.family)?, port.parse::<u16>()?.to_be());
        let servers = self.world.servers.iter().enumerate();
        let found = servers.filter(|(_, s)| s.address == ip.into() && s.port == port);
        let found: Vec<_> = found.map(|(index, _)| index).collect();
        ensure!(!found.is_empty(), "no server {end:?}");
        Ok(found)
    }

    /// `NAME new N in N/N out N/N`, of a server by its host's name or of a service by its end.
    fn check_count(&self, text: &str) -> Result<()> {
        let (name, expected) = text.split_once(' ').context("a name and its counts")?;
        let mut sum = Stats::default();
        if name.contains(':') {
            for protocol in [lb_common::abi::protocol::TCP, lb_common::abi::protocol::UDP] {
                let key = end_key(self.stage, name, self.family, protocol)?;
                let found = self.world.services.iter().find(|(other, _)| *other == key);
                sum += found.map(|(_, s)| self.host.service_stats(s.id)).unwrap_or_default();
            }
        }
        for (index, _) in self.stage.servers.iter().enumerate().filter(|(_, n)| *n == name) {
            sum += self.host.server_stats(index as u32);
        }
        let actual = format!(
            "new {} in {}/{} out {}/{}",
            sum.connections, sum.packets_in, sum.bytes_in, sum.packets_out, sum.bytes_out
        );
        ensure!(actual == expected, "is {actual}");
        Ok(())
    }

    fn kernel_stats(&self) -> Result<Vec<Stats>> {
        let services = self.service_ids().map(|id| self.kernel.stats(map::SERVICE_STATS, id));
        let servers = 0..self.stage.servers.len() as u32;
        let servers = servers.map(|index| self.kernel.stats(map::SERVER_STATS, index));
        services.chain(servers).collect()
    }

    fn service_ids(&self) -> std::ops::Range<u32> {
        0..self.world.services.iter().map(|(_, service)| service.id + 1).max().unwrap_or(0)
    }
}

/// What comes in right must go out right; what the director wrote itself is right in any case.
fn check_sums(reason: Reason, input: &[u8], output: &Output) -> Result<()> {
    let expected = match reason.outcome() {
        Outcome::Answered => true,
        Outcome::Forwarded => verify_checksums(input).is_ok(),
        Outcome::Passed | Outcome::Dropped => false,
    };
    if expected {
        verify_checksums(&output.frame).map_err(|error| anyhow!("checksums: {error}"))?;
    }
    Ok(())
}

fn same(what: &str, left: Vec<String>, right: &[String]) -> Result<()> {
    ensure!(left == right, "{what}:\n  - {}\n  + {}", left.join("\n  - "), right.join("\n  + "));
    Ok(())
}

fn show_verdict((reason, action): (Reason, Action)) -> String {
    format!("{} ({action:?})", reason.name())
}
