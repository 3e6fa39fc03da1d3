use super::servers;
use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, show};
use crate::table::Column::{Number, Text};
use crate::table::{count, table};
use lb_common::api::{Server, ServerState, Service};
use std::process::ExitCode;

/// The request behind `service ls`, and behind what sums it up otherwise.
pub(super) fn all() -> Request {
    Request::get(&["services"])
}

/// The request behind `service show`.
pub(super) fn one(service: &str) -> Request {
    Request::get(&["services", service])
}

/// `service ls`
pub(crate) fn services(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    show(client, format, &all(), |services: Vec<Service>| View::from(list(&services)))
}

/// `service show`
pub(crate) fn service(client: &Client, format: Format, service: &str) -> Result<ExitCode, Failure> {
    show(client, format, &one(service), |service: Service| {
        let text = list(std::slice::from_ref(&service));
        View::from(format!("{text}\n{}", servers::list(&service.servers, false)))
    })
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
        let up = |server: &&Server| server.state == ServerState::Up;
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
