//! `lb-ctl server`.

mod show;
mod table;

pub(super) use table::list;

use super::definition::{CheckOptions, Definition};
use super::drain::{self, Drain};
use super::name::SERVER;
use super::{ServerName, service};
use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, done, json, show};
use crate::time::duration;
use clap::builder::NonEmptyStringValueParser;
use hyper::Method;
use lb_common::api::{AdminState, MAX_WEIGHT, Server, ServerChange, ServerDetail, Service};
use serde_json::Value;
use std::process::ExitCode;

/// What to do with servers.
#[derive(clap::Subcommand)]
pub(crate) enum ServerCommand {
    /// List the servers of all services, or of one; `*` marks what was changed at run time
    Ls {
        /// Only of this service
        #[arg(value_name = "SERVICE", value_parser = NonEmptyStringValueParser::new())]
        service: Option<String>,
    },
    /// One server, and what its last checks found
    Show {
        #[arg(value_name = "SERVICE/SERVER", help = SERVER)]
        server: ServerName,
    },
    /// Add a server to a service; it stays until `rm` or `reset`, whatever the file says
    #[command(after_help = ADD_EXAMPLES)]
    Add(Add),
    /// Remove a server; its connections end as those of one that went down
    Rm {
        #[arg(value_name = "SERVICE/SERVER", help = SERVER)]
        server: ServerName,
    },
    /// Give a server no new connections; those it has go on
    #[command(after_help = drain::EXAMPLES)]
    Drain {
        #[arg(value_name = "SERVICE/SERVER", help = SERVER)]
        server: ServerName,
        #[command(flatten)]
        drain: Drain,
    },
    /// Let a server take connections again, with the weight it had
    Enable {
        #[arg(value_name = "SERVICE/SERVER", help = SERVER)]
        server: ServerName,
    },
    /// Take a server out as if it were down
    Disable {
        #[arg(value_name = "SERVICE/SERVER", help = SERVER)]
        server: ServerName,
    },
    /// Change a server's weight; a drain goes on until `enable`
    Weight {
        #[arg(value_name = "SERVICE/SERVER", help = SERVER)]
        server: ServerName,
        #[arg(value_name = "N", help = weight_help(), value_parser = weight())]
        weight: u32,
    },
}

const ADD_EXAMPLES: &str = "\
Examples:
  lb-ctl server add web/webC 192.0.2.13:80 --weight 2
  lb-ctl server add web/spare 192.0.2.14:80 --backup --max-connections 1000";

/// A server to add.
#[derive(clap::Args)]
pub(crate) struct Add {
    #[arg(value_name = "SERVICE/SERVER", help = SERVER)]
    server: ServerName,
    /// Its address and port, like 192.0.2.13:80 or [2001:db8::13]:80
    address: String,
    #[arg(long, value_name = "N", help = weight_help(), value_parser = weight())]
    weight: Option<u32>,
    /// Use it only while all others are down
    #[arg(long)]
    backup: bool,
    /// Give it at most so many connections at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,
    #[command(flatten)]
    check: CheckOptions,
}

fn weight() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(..=i64::from(MAX_WEIGHT))
}

fn weight_help() -> String {
    format!("From 0 (no new connections) to {MAX_WEIGHT}")
}

/// `server`
pub(crate) fn server(
    client: &Client,
    format: Format,
    command: &ServerCommand,
) -> Result<ExitCode, Failure> {
    let admin = |server, admin| {
        change(client, format, server, ServerChange { admin: Some(admin), ..Default::default() })
    };
    match command {
        ServerCommand::Ls { service: None } => {
            show(client, format, &service::all(), |services: Vec<Service>| {
                View::from(list(services.iter().flat_map(|service| &service.servers), true))
            })
        }
        ServerCommand::Ls { service: Some(service) } => {
            show(client, format, &service::one(service), |service: Service| {
                View::from(list(&service.servers, true))
            })
        }
        ServerCommand::Show { server } => {
            show(client, format, &request(Method::GET, server), |detail: ServerDetail| {
                View::from(show::view(&detail))
            })
        }
        ServerCommand::Add(new) => add(client, format, new),
        ServerCommand::Rm { server } => {
            let said = format!("{}/{}: removed", server.service, server.server);
            done(client, format, &request(Method::DELETE, server), &said)
        }
        ServerCommand::Drain { server, drain } if drain.waits() => {
            drain::drain_server(client, format, server, drain)
        }
        ServerCommand::Drain { server, drain } => change(client, format, server, drain.change()),
        ServerCommand::Enable { server } => admin(server, AdminState::Enabled),
        ServerCommand::Disable { server } => admin(server, AdminState::Disabled),
        ServerCommand::Weight { server, weight } => {
            let change_of_weight = ServerChange { weight: Some(*weight), ..Default::default() };
            change(client, format, server, change_of_weight)
        }
    }
}

/// A request about one server.
pub(super) fn request(method: Method, name: &ServerName) -> Request {
    Request::new(method, &["services", &name.service, "servers", &name.server])
}

fn add(client: &Client, format: Format, add: &Add) -> Result<ExitCode, Failure> {
    let ServerName { service, server } = &add.server;
    let definition: Value = Definition::default()
        .with("name", Some(server.clone()))
        .with("address", Some(add.address.clone()))
        .with("weight", add.weight)
        .with("backup", add.backup.then_some(true))
        .with("max_connections", add.max_connections)
        .with("check", add.check.value())
        .into();
    let request = Request::new(Method::POST, &["services", service, "servers"]);
    show(client, format, &request.body(json(&definition)?), |server: Server| {
        View::from(sentence(&server))
    })
}

fn change(
    client: &Client,
    format: Format,
    name: &ServerName,
    change: ServerChange,
) -> Result<ExitCode, Failure> {
    let request = request(Method::PATCH, name).body(json(&change)?);
    show(client, format, &request, |server: Server| View::from(sentence(&server)))
}

/// What has become of a server, in one line.
fn sentence(server: &Server) -> String {
    let file = match server.configured_weight {
        None => ", not in the file".to_owned(),
        Some(weight) if weight != server.weight => format!(" ({weight} in the file)"),
        Some(_) => String::new(),
    };
    let reset = match server.deadline {
        Some(left) => format!(", reset in {}", duration(left)),
        None => String::new(),
    };
    format!(
        "{}/{}: {}, weight {}{file}, {} active connections{reset}\n",
        server.service, server.name, server.state, server.weight, server.active
    )
}
