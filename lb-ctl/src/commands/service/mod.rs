//! `lb-ctl service`.

mod add;

use super::server;
use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, done, show};
use crate::table::Column::{Number, Text};
use crate::table::{count, table};
use clap::builder::NonEmptyStringValueParser;
use hyper::Method;
use lb_common::api::{Server, ServerState, Service};
use std::process::ExitCode;

/// What to do with services.
#[derive(clap::Subcommand)]
pub(crate) enum ServiceCommand {
    /// List the services
    Ls,
    /// One service and its servers
    Show {
        /// Its name
        #[arg(value_name = "SERVICE", value_parser = NonEmptyStringValueParser::new())]
        service: String,
    },
    /// Add a service; it stays until `rm` or `reset`, whatever the file says
    #[command(after_help = add::EXAMPLES)]
    Add(Box<add::Add>),
    /// Remove a service; its connections end
    Rm {
        /// Its name
        #[arg(value_name = "SERVICE", value_parser = NonEmptyStringValueParser::new())]
        service: String,
    },
}

/// `service`
pub(crate) fn service(
    client: &Client,
    format: Format,
    command: &ServiceCommand,
) -> Result<ExitCode, Failure> {
    match command {
        ServiceCommand::Ls => {
            show(client, format, &all(), |services: Vec<Service>| View::from(list(&services)))
        }
        ServiceCommand::Show { service } => {
            show(client, format, &one(service), |service: Service| View::from(view(&service)))
        }
        ServiceCommand::Add(add) => add::add(client, format, add),
        ServiceCommand::Rm { service } => {
            let request = Request::new(Method::DELETE, &["services", service]);
            done(client, format, &request, &format!("{service}: removed"))
        }
    }
}

/// The request behind `service ls`, and behind what sums it up otherwise.
pub(super) fn all() -> Request {
    Request::get(&["services"])
}

/// The request behind `service show`.
pub(super) fn one(service: &str) -> Request {
    Request::get(&["services", service])
}

fn view(service: &Service) -> String {
    let text = list(std::slice::from_ref(service));
    format!("{text}\n{}", server::list(&service.servers, false))
}

fn list(services: &[Service]) -> String {
    let columns = [
        Text("SERVICE"),
        Text("ADDRESS"),
        Text("PROTO"),
        Text("MODE"),
        Text("SCHED"),
        Number("UP"),
        Number("SERVERS"),
        Number("ACTIVE"),
        Number("CONNECTIONS"),
    ];
    let row = |service: &Service| {
        let up =
            |server: &&Server| matches!(server.state, ServerState::Up | ServerState::SlowStart);
        let active = service.servers.iter().map(|server| server.active).sum();
        vec![
            service.name.clone(),
            service.address.to_string(),
            service.protocol.to_string(),
            service.mode.to_string(),
            service.scheduler.to_string(),
            service.servers.iter().filter(up).count().to_string(),
            service.servers.len().to_string(),
            count(active),
            count(service.stats.connections),
        ]
    };
    table(&columns, services.iter().map(row))
}
