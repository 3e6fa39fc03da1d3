use super::service;
use crate::Format;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{View, show};
use crate::table::Column::{Number, Text};
use crate::table::{count, table};
use lb_common::api::{Mode, Service, Stats};
use std::process::ExitCode;

/// `stats`
pub(crate) fn stats(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    show(client, format, &service::all(), |services: Vec<Service>| View::from(list(&services)))
}

fn list(services: &[Service]) -> String {
    let columns = [
        Text("SERVICE"),
        Text("SERVER"),
        Number("CONNECTIONS"),
        Number("PACKETS IN"),
        Number("BYTES IN"),
        Number("PACKETS OUT"),
        Number("BYTES OUT"),
    ];
    let rows = services.iter().flat_map(|service| {
        let servers =
            service.servers.iter().map(|server| row(service, &server.name, &server.stats));
        std::iter::once(row(service, "(all)", &service.stats)).chain(servers)
    });
    table(&columns, rows)
}

fn row(service: &Service, server: &str, stats: &Stats) -> Vec<String> {
    // Only with NAT do answers pass the director.
    let out = |total| {
        if service.mode == Mode::Nat { count(total) } else { "-".to_owned() }
    };
    vec![
        service.name.clone(),
        server.to_owned(),
        count(stats.connections),
        count(stats.packets_in),
        count(stats.bytes_in),
        out(stats.packets_out),
        out(stats.bytes_out),
    ]
}
