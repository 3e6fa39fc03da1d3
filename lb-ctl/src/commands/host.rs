use super::drain::{self, Drain};
use super::server;
use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, json, show};
use hyper::Method;
use lb_common::api::{AdminState, Server, ServerChange};
use std::net::IpAddr;
use std::process::ExitCode;

/// What to do with all servers at an address.
#[derive(clap::Subcommand)]
pub(crate) enum HostCommand {
    /// Give a machine no new connections in any service; those it has go on
    #[command(after_help = drain::HOST_EXAMPLES)]
    Drain {
        /// The servers' address, without a port
        address: IpAddr,
        #[command(flatten)]
        drain: Drain,
    },
    /// Let a machine take connections again
    Enable {
        /// The servers' address, without a port
        address: IpAddr,
    },
    /// Take a machine out of all services as if it were down
    Disable {
        /// The servers' address, without a port
        address: IpAddr,
    },
}

/// `host`
pub(crate) fn host(
    client: &Client,
    format: Format,
    command: &HostCommand,
) -> Result<ExitCode, Failure> {
    let (address, change) = match command {
        HostCommand::Drain { address, drain } if drain.waits() => {
            return drain::drain_host(client, format, *address, drain);
        }
        HostCommand::Drain { address, drain } => (address, drain.change()),
        HostCommand::Enable { address } => (address, admin(AdminState::Enabled)),
        HostCommand::Disable { address } => (address, admin(AdminState::Disabled)),
    };
    let request = request(*address).body(json(&change)?);
    show(client, format, &request, |servers: Vec<Server>| match servers.is_empty() {
        true => View { note: Some(nobody(&address.to_string())), found: true, ..View::default() },
        false => View::from(server::list(&servers, true)),
    })
}

/// What is wrong where a change of a host has changed nothing.
pub(super) fn nobody(address: &str) -> String {
    format!("no service has a server at {address}")
}

/// A request to change all servers at an address.
pub(super) fn request(address: IpAddr) -> Request {
    Request::new(Method::PATCH, &["hosts", &address.to_string()])
}

fn admin(admin: AdminState) -> ServerChange {
    ServerChange { admin: Some(admin), ..ServerChange::default() }
}
