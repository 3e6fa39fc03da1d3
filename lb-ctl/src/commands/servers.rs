use super::services;
use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, show};
use crate::table::Column::{Number, Text};
use crate::table::{count, table};
use hyper::Method;
use lb_common::api::{AdminState, NextHop, Server, ServerChange, Service};
use std::process::ExitCode;
use std::str::FromStr;

/// A server of a service, as `SERVICE/SERVER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerName {
    pub service: String,
    pub server: String,
}

impl FromStr for ServerName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((service, server))
                if !service.is_empty() && !server.is_empty() && !server.contains('/') =>
            {
                Ok(Self { service: service.to_owned(), server: server.to_owned() })
            }
            _ => Err("expected SERVICE/SERVER, such as web/webA"),
        }
    }
}

/// `server ls`
pub(crate) fn servers(
    client: &Client,
    format: Format,
    service: Option<&str>,
) -> Result<ExitCode, Failure> {
    match service {
        Some(service) => show(client, format, &services::one(service), |service: Service| {
            View::from(list(&service.servers, true))
        }),
        None => show(client, format, &services::all(), |services: Vec<Service>| {
            View::from(list(services.iter().flat_map(|service| &service.servers), true))
        }),
    }
}

/// `server drain` and `server enable`
pub(crate) fn drain(
    client: &Client,
    format: Format,
    server: &ServerName,
    drain: bool,
) -> Result<ExitCode, Failure> {
    change(
        client,
        format,
        server,
        ServerChange {
            admin: Some(if drain { AdminState::Drained } else { AdminState::Enabled }),
            ..ServerChange::default()
        },
    )
}

/// `server weight`
pub(crate) fn weight(
    client: &Client,
    format: Format,
    server: &ServerName,
    weight: u32,
) -> Result<ExitCode, Failure> {
    change(client, format, server, ServerChange { weight: Some(weight), ..ServerChange::default() })
}

fn change(
    client: &Client,
    format: Format,
    ServerName { service, server }: &ServerName,
    change: ServerChange,
) -> Result<ExitCode, Failure> {
    let body = serde_json::to_vec(&change)
        .map_err(|error| Failure::Refused(format!("not a change: {error}")))?;
    let request = Request::new(Method::PATCH, &["services", service, "servers", server]).body(body);
    show(client, format, &request, |server: Server| {
        View::from(format!(
            "{}/{}: {}, weight {} ({} in the configuration), {} active connections\n",
            server.service,
            server.name,
            server.state,
            server.weight,
            server.configured_weight.unwrap_or(server.weight),
            server.active
        ))
    })
}

/// The table of servers, with or without the service that each belongs to.
pub(super) fn list<'a>(
    servers: impl IntoIterator<Item = &'a Server>,
    with_service: bool,
) -> String {
    let columns = [
        Text("SERVICE"),
        Text("SERVER"),
        Text("ADDRESS"),
        Text("STATE"),
        Number("WEIGHT"),
        Number("CONFIGURED"),
        Number("ACTIVE"),
        Number("CONNECTIONS"),
        Text("NEXT HOP"),
    ];
    let first = usize::from(!with_service);
    let row = |server: &Server| {
        let cells = vec![
            server.service.clone(),
            server.name.clone(),
            server.address.to_string(),
            server.state.to_string(),
            server.weight.to_string(),
            server.configured_weight.map_or("-".to_owned(), |weight| weight.to_string()),
            count(server.active),
            count(server.stats.connections),
            server.next_hop.as_ref().map_or_else(|| "-".to_owned(), next_hop),
        ];
        cells.into_iter().skip(first).collect()
    };
    table(&columns[first..], servers.into_iter().map(row))
}

fn next_hop(next_hop: &NextHop) -> String {
    let mut text = format!("{} {}", next_hop.interface, next_hop.mac.as_deref().unwrap_or("?"));
    if let Some(gateway) = next_hop.gateway {
        text += &format!(" via {gateway}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_servers() {
        let name = ServerName { service: "web".to_owned(), server: "webA".to_owned() };
        assert_eq!("web/webA".parse(), Ok(name));
        for wrong in ["", "web", "/", "web/", "/webA", "web/webA/", "web//webA", "a/b/c"] {
            assert!(wrong.parse::<ServerName>().is_err(), "{wrong:?}");
        }
    }
}
