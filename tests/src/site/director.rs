//! A director: `lb-agent` on a host, and `lb-ctl` to ask it.

use super::endpoint;
use crate::lab::{Host, Lab, Program, SOON, wait_until};
use anyhow::{Context, Result, ensure};
use lb_common::api::{
    Difference, Event, Mode, Protocol, ReasonCount, Scheduler, ServerDetail, Service, Status,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A running agent and its files.
pub struct Director {
    host: Host,
    /// The agent; `None` while it is stopped.
    agent: Option<Program>,
    folder: PathBuf,
    pins: PathBuf,
}

/// Starts an agent with a configuration and waits until it answers.
pub fn director(lab: &Lab, host: &Host, config: &str) -> Result<Director> {
    let folder = lab.folder().join(host.name());
    std::fs::create_dir_all(&folder)?;
    let pins = lab.bpf_folder()?.join(host.name());
    let mut director = Director { host: host.clone(), agent: None, folder, pins };
    director.write_config(config)?;
    director.start()?;
    Ok(director)
}

impl Director {
    /// Starts the agent and waits until it answers.
    pub fn start(&mut self) -> Result<()> {
        self.start_as(self.agent_command())
    }

    /// Like [`Director::start`], by a command made of [`Director::agent_command`].
    pub fn start_as(&mut self, command: Command) -> Result<()> {
        let program = self.host.spawn(command)?;
        let answers = || program.status().is_some() || self.status().is_ok();
        wait_until(SOON, "lb-agent answers", answers)?;
        ensure!(program.status().is_none(), "lb-agent ended:\n{}", program.log());
        self.agent = Some(program);
        Ok(())
    }

    /// What starts the agent.
    pub fn agent_command(&self) -> Command {
        let mut command = Command::new(program("lb-agent"));
        command.arg("--config").arg(self.config()).arg("--node").arg(self.host.name());
        command.arg("--pin-root").arg(&self.pins).arg("--socket").arg(self.socket());
        command.arg("--state-dir").arg(self.state_dir());
        command
    }

    /// Folder of what the agent keeps.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Stops the agent as the operator would; traffic goes on.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::SIGTERM)
    }

    /// Ends the agent without a warning.
    pub fn kill(&mut self) -> Result<()> {
        self.end(Signal::SIGKILL)
    }

    /// Has the agent read its configuration again; the log tells what came of it.
    pub fn reload(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// Sends the agent a signal and doesn't wait for what comes of it.
    pub fn signal(&self, signal: Signal) {
        if let Some(agent) = &self.agent {
            agent.signal(signal);
        }
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        if let Some(agent) = self.agent.take() {
            agent.signal(signal);
            agent.wait(SOON)?;
        }
        Ok(())
    }

    /// Path of the configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("lb.yaml")
    }

    /// Replaces the configuration file.
    pub fn write_config(&self, config: &str) -> Result<()> {
        Ok(std::fs::write(self.config(), config)?)
    }

    /// Folder of the pins.
    pub fn pins(&self) -> &Path {
        &self.pins
    }

    /// Log of the running agent.
    pub fn log(&self) -> String {
        self.agent.as_ref().map(Program::log).unwrap_or_default()
    }

    /// Path of the control socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("agent.sock")
    }

    /// Runs `lb-ctl`, whatever comes of it.
    pub fn ctl_output(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(program("lb-ctl"));
        command.arg("--socket").arg(self.socket()).args(arguments);
        self.host.run(|| command.output()).context("start lb-ctl")
    }

    /// Runs `lb-ctl` and returns what it prints.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.ctl_output(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "lb-ctl {arguments:?}: {}: {said}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let answer = self.ctl(&[&["-o", "json"], arguments].concat())?;
        serde_json::from_str(&answer).with_context(|| format!("{arguments:?}: {answer}"))
    }

    /// `lb-ctl status`.
    pub fn status(&self) -> Result<Status> {
        self.ask(&["status"])
    }

    /// `lb-ctl service ls`.
    pub fn services(&self) -> Result<Vec<Service>> {
        self.ask(&["service", "ls"])
    }

    /// `lb-ctl server show`.
    pub fn server(&self, service: &str, server: &str) -> Result<ServerDetail> {
        self.ask(&["server", "show", &format!("{service}/{server}")])
    }

    /// `lb-ctl diff`.
    pub fn diff(&self) -> Result<Vec<Difference>> {
        // It ends with an exit code of its own when there are some.
        let output = self.ctl_output(&["-o", "json", "diff"])?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))
    }

    /// `lb-ctl events`.
    pub fn events(&self) -> Result<Vec<Event>> {
        let lines = self.ctl(&["-o", "json", "events"])?;
        let event = |line| serde_json::from_str(line).with_context(|| format!("event {line}"));
        lines.lines().map(event).collect()
    }

    /// `lb-ctl connections`.
    pub fn connections(&self, arguments: &[&str]) -> Result<Value> {
        self.ask(&[&["connections"], arguments].concat())
    }

    /// `lb-ctl drops --all`.
    pub fn reasons(&self) -> Result<Vec<ReasonCount>> {
        self.ask(&["drops", "--all"])
    }

    /// Packets counted for a reason, by its name.
    pub fn reason(&self, name: &str) -> Result<u64> {
        let counts = self.reasons()?;
        Ok(counts.iter().filter(|count| count.reason == name).map(|count| count.packets).sum())
    }

    /// Waits until every server of every service has a usable next hop.
    pub fn wait_until_resolved(&self) -> Result<()> {
        use lb_common::api::ServerState::{Drained, Up};
        wait_until(SOON, "all next hops are resolved", || {
            self.services().is_ok_and(|services| {
                let mut servers = services.iter().flat_map(|service| &service.servers);
                servers.all(|server| matches!(server.state, Up | Drained))
            })
        })
    }
}

/// A service for a configuration file.
#[derive(Clone, Debug)]
pub struct ServiceText {
    /// Its name.
    pub name: String,
    /// Where clients connect to.
    pub vip: (IpAddr, u16),
    /// TCP or UDP.
    pub protocol: Protocol,
    /// How packets reach the servers.
    pub mode: Mode,
    /// How a server is chosen.
    pub scheduler: Scheduler,
    /// Further lines, indented by 4.
    pub more: String,
    /// Name, address, port and weight of each server.
    pub servers: Vec<(String, IpAddr, u16, u32)>,
}

/// A configuration file for the interface `eth0`.
pub fn config(services: &[ServiceText]) -> String {
    let mut text = String::from("interfaces: [eth0]\nservices:\n");
    for service in services {
        let ServiceText { name, vip: (vip, port), protocol, mode, scheduler, more, .. } = service;
        let address = endpoint(*vip, *port);
        let _ = write!(
            text,
            "  - name: {name}\n    address: {address}\n    protocol: {protocol}\n    mode: {mode}\n    \
             scheduler: {scheduler}\n{more}    servers:\n",
        );
        for (name, address, port, weight) in &service.servers {
            let address = endpoint(*address, *port);
            let _ =
                writeln!(text, "      - {{ name: {name}, address: {address}, weight: {weight} }}");
        }
    }
    text
}

/// One of the project's programs: beside this one, or above it if this one is a test.
pub fn program(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    let folder = here.parent().unwrap_or(Path::new("."));
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    folder.join(name)
}
