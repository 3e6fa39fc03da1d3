//! The agent that is measured, and what is asked of it.

use anyhow::{Context, Result, bail, ensure};
use lb_tests::lab::{Host, Lab, Program, wait_for};
use lb_tests::site::program;
use nix::sys::signal::Signal;
use serde::de::DeserializeOwned;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a measured agent may take for anything.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// Has each operation on the maps logged.
const LOG_OPERATIONS: &str = "warn,lb_agent::core::converge=debug";

/// A running agent. Files and pins stay when it is dropped.
pub(crate) struct Agent {
    program: Program,
    socket: PathBuf,
}

/// Where an agent's files are.
pub(crate) struct Place<'a> {
    pub(crate) host: &'a Host,
    pub(crate) lab: &'a Lab,
}

impl Place<'_> {
    pub(crate) fn config(&self) -> PathBuf {
        self.lab.folder().join("lb.yaml")
    }

    /// Starts the agent; returns it as soon as it answers, and how long that took.
    pub(crate) fn start(&self) -> Result<(Agent, Duration)> {
        self.start_as(self.command()?)
    }

    /// The same, with each operation on the maps in its log.
    pub(crate) fn start_logging(&self) -> Result<Agent> {
        let mut command = self.command()?;
        command.env("RUST_LOG", LOG_OPERATIONS);
        Ok(self.start_as(command)?.0)
    }

    fn command(&self) -> Result<Command> {
        let folder = self.lab.folder();
        let mut command = Command::new(program("lb-agent"));
        command.arg("--config").arg(self.config()).arg("--state-dir").arg(folder.join("state"));
        command.arg("--pin-root").arg(self.lab.bpf_folder()?);
        command.arg("--socket").arg(self.socket());
        Ok(command)
    }

    fn start_as(&self, command: Command) -> Result<(Agent, Duration)> {
        let begin = Instant::now();
        let agent = Agent { program: self.host.spawn(command)?, socket: self.socket() };
        wait_for(LONG, "lb-agent answers", || {
            let ended = agent.program.status().is_some();
            (ended || agent.ask("GET", "/v1/reasons", "").is_ok()).then_some(())
        })?;
        let took = begin.elapsed();
        let ended = agent.program.status();
        ensure!(ended.is_none(), "lb-agent ended:\n{}", agent.program.log());
        Ok((agent, took))
    }

    fn socket(&self) -> PathBuf {
        self.lab.folder().join("agent.sock")
    }
}

impl Agent {
    /// Sends one request over a connection of its own, as `lb-ctl` does; returns the answer's body.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(LONG))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = answer.split_off(end.context("no answer of HTTP")? + 4);
        if !answer.starts_with(b"HTTP/1.1 2") {
            let head = String::from_utf8_lossy(&answer);
            bail!("{method} {path}: {head}{}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }

    /// The same, for an answer to look at.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        Ok(serde_json::from_slice(&self.ask("GET", path, "")?)?)
    }

    /// Runs `lb-ctl`; returns how long that took.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Result<Duration> {
        let begin = Instant::now();
        let output = Command::new(program("lb-ctl"))
            .arg("--socket")
            .arg(&self.socket)
            .args(arguments)
            .output()
            .context("starting lb-ctl")?;
        let took = begin.elapsed();
        ensure!(output.status.success(), "lb-ctl {arguments:?}: {output:?}");
        Ok(took)
    }

    /// These fields of its `/proc/PID/status`, in kB.
    pub(crate) fn memory<const N: usize>(&self, fields: [&str; N]) -> Result<[u64; N]> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.pid()))?;
        let mut found = [0; N];
        for (name, found) in fields.iter().zip(&mut found) {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|line| line.trim().strip_suffix("kB"));
            *found = number.with_context(|| format!("no {name}"))?.trim().parse()?;
        }
        Ok(found)
    }

    /// The names of the operations that it has logged; see [`Place::start_logging`].
    pub(crate) fn operations(&self) -> Vec<String> {
        let log = self.program.log();
        let operation = |line: &str| {
            let (_, operation) = line.split_once("op=")?;
            let name = operation.split(|letter: char| !letter.is_alphanumeric()).next()?;
            Some(name.to_owned())
        };
        log.lines().filter_map(operation).collect()
    }

    /// Stops it and waits for its end; traffic would flow on.
    pub(crate) fn stop(self) -> Result<()> {
        self.program.signal(Signal::SIGTERM);
        self.program.wait(LONG).map(drop)
    }
}
