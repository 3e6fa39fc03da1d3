//! `lb-ctl`: the operator's command line. It asks the agent over the control API, and shows the
//! answer as a table for people or as JSON for programs.

mod client;
mod commands;
mod failure;
mod output;
mod table;
mod terminal;

use clap::{Args, Parser, Subcommand, ValueEnum};
use client::Client;
use commands::{Connections, Drops, ServerName};
use lb_common::api::{DEFAULT_SOCKET, MAX_WEIGHT};
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
struct Global {
    /// Socket of the agent
    #[arg(long, global = true, value_name = "PATH", env = "LB_SOCKET", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// A table for people, or the agent's answer for programs
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// How long to wait for the agent
    #[arg(long, global = true, value_name = "SECONDS", default_value = "15",
          value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
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
    /// List and show services
    #[command(subcommand)]
    Service(ServiceCommand),
    /// List, drain and weigh the servers of services
    #[command(subcommand)]
    Server(ServerCommand),
    /// Live connections
    Connections(Connections),
    /// Connections, packets and bytes per service and server
    Stats,
    /// Why packets were not forwarded
    Drops(Drops),
    /// Let the agent check a configuration file; nothing is applied
    Check {
        /// The file; `-` for the standard input
        file: PathBuf,
    },
    /// Take the data plane down and end the agent: traffic stops being balanced
    Detach,
}

#[derive(Subcommand)]
enum ServiceCommand {
    /// List the services
    Ls,
    /// One service and its servers
    Show {
        #[arg(value_name = "SERVICE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        service: String,
    },
}

#[derive(Subcommand)]
enum ServerCommand {
    /// List the servers of all services, or of one
    Ls {
        #[arg(value_name = "SERVICE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        service: Option<String>,
    },
    /// Give a server no new connections; those it has go on
    Drain {
        #[arg(value_name = "SERVICE/SERVER")]
        server: ServerName,
    },
    /// End a drain: the server takes new connections with the weight it had
    Enable {
        #[arg(value_name = "SERVICE/SERVER")]
        server: ServerName,
    },
    /// Change a server's weight; a drain goes on until `enable`
    Weight {
        #[arg(value_name = "SERVICE/SERVER")]
        server: ServerName,
        #[arg(value_name = "N", help = format!("From 0 (no new connections) to {MAX_WEIGHT}"),
              value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_WEIGHT)))]
        weight: u32,
    },
}

fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let patience = Duration::from_secs(global.timeout.into());
    let client = Client::new(global.socket, patience);
    match run(&client, global.output, &command) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(client: &Client, format: Format, command: &Command) -> Result<ExitCode, failure::Failure> {
    match command {
        Command::Status => commands::status(client, format),
        Command::Service(ServiceCommand::Ls) => commands::services(client, format),
        Command::Service(ServiceCommand::Show { service }) => {
            commands::service(client, format, service)
        }
        Command::Server(ServerCommand::Ls { service }) => {
            commands::servers(client, format, service.as_deref())
        }
        Command::Server(ServerCommand::Drain { server }) => {
            commands::drain(client, format, server, true)
        }
        Command::Server(ServerCommand::Enable { server }) => {
            commands::drain(client, format, server, false)
        }
        Command::Server(ServerCommand::Weight { server, weight }) => {
            commands::weight(client, format, server, *weight)
        }
        Command::Connections(query) => commands::connections(client, format, query),
        Command::Stats => commands::stats(client, format),
        Command::Drops(drops) => commands::drops(client, format, drops),
        Command::Check { file } => commands::check(client, format, file),
        Command::Detach => commands::detach(client, format),
    }
}
