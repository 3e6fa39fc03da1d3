//! `lb-ctl`: the operator's command line. It asks the agent over the control API, and shows the
//! answer as a table for people or as JSON for programs.

mod client;
mod commands;
mod failure;
mod output;
mod table;
mod terminal;
mod time;

use clap::{Args, Parser, Subcommand, ValueEnum};
use client::{Client, PATIENCE};
use commands::{
    Connections, Drops, Events, HostCommand, Reset, Save, ServerCommand, ServiceCommand,
};
use lb_common::api::DEFAULT_SOCKET;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Asks and changes what the load balancer's agent does.
#[derive(Parser)]
#[command(name = "lb-ctl", version, after_help = failure::EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Socket of the agent
    #[arg(long, global = true, value_name = "PATH", env = "LB_SOCKET", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// A table for people, or the agent's answer for programs
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    output: Format,
    #[arg(long, global = true, value_name = "SECONDS", help = patience(),
          value_parser = clap::value_parser!(u32).range(1..))]
    timeout: Option<u32>,
}

/// How answers are shown.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// What the agent is doing, and what needs a look
    Status,
    /// List, show, add and remove services
    #[command(subcommand)]
    Service(ServiceCommand),
    /// List, show, add, remove, drain and weigh the servers of services
    #[command(subcommand)]
    Server(ServerCommand),
    /// Drain or disable a machine in all its services
    #[command(subcommand)]
    Host(HostCommand),
    /// Live connections
    Connections(Connections),
    /// Connections, packets and bytes per service and server
    Stats,
    /// Why packets were not forwarded
    Drops(Drops),
    /// What happened, and why
    Events(Events),
    /// Let the agent check a configuration file; nothing is applied
    Check {
        /// The file; `-` for the standard input
        file: PathBuf,
    },
    /// Let the agent read its configuration file again
    Reload,
    /// What runs otherwise than the configuration file says
    Diff,
    /// Write what runs as a configuration file
    Save(Save),
    /// Undo what was changed at run time: back to the configuration file
    Reset(Reset),
    /// Take the data plane down and end the agent: traffic stops being balanced
    Detach,
}

fn patience() -> String {
    format!("How long to wait for the agent [default: {}, more for reload]", PATIENCE.as_secs())
}

fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let patience = global.timeout.map(|seconds| Duration::from_secs(seconds.into()));
    let client = Client::new(global.socket, patience);
    match run(&client, global.output, &command) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(client: &Client, format: Format, command: &Command) -> Result<ExitCode, failure::Failure> {
    match command {
        Command::Status => commands::status(client, format),
        Command::Service(command) => commands::service(client, format, command),
        Command::Server(command) => commands::server(client, format, command),
        Command::Host(command) => commands::host(client, format, command),
        Command::Connections(query) => commands::connections(client, format, query),
        Command::Stats => commands::stats(client, format),
        Command::Drops(drops) => commands::drops(client, format, drops),
        Command::Events(events) => commands::events(client, format, events),
        Command::Check { file } => commands::check(client, format, file),
        Command::Reload => commands::reload(client, format),
        Command::Diff => commands::diff(client, format),
        Command::Save(save) => commands::save(client, save),
        Command::Reset(reset) => commands::reset(client, format, reset),
        Command::Detach => commands::detach(client, format),
    }
}
