use crate::table::Column::{Number, Text};
use crate::table::{count, table};
use crate::time::duration;
use lb_common::api::{NextHop, Server};

/// The table of servers, with or without the service that each belongs to. A `*` marks what was
/// changed at run time: at the name, the whole server.
pub(in super::super) fn list<'a>(
    servers: impl IntoIterator<Item = &'a Server>,
    with_service: bool,
) -> String {
    let columns = [
        Text("SERVICE"),
        Text("SERVER"),
        Text("ADDRESS"),
        Text("STATE"),
        Text("HEALTH"),
        Text("ROLE"),
        Number("WEIGHT"),
        Number("ACTIVE"),
        Number("CONNECTIONS"),
        Text("NEXT HOP"),
    ];
    let first = usize::from(!with_service);
    let row = |server: &Server| {
        let cells = vec![
            server.service.clone(),
            name(server),
            server.address.to_string(),
            state(server),
            server.health.map_or("-".to_owned(), |verdict| verdict.to_string()),
            role(server).unwrap_or("-").to_owned(),
            weight(server),
            active(server),
            count(server.stats.connections),
            server.next_hop.as_ref().map_or("-".to_owned(), next_hop),
        ];
        cells.into_iter().skip(first).collect()
    };
    table(&columns[first..], servers.into_iter().map(row))
}

/// The state, and how long a drain goes on: `drained 4m59s`.
pub(super) fn state(server: &Server) -> String {
    match server.deadline {
        Some(left) => format!("{} {}", server.state, duration(left)),
        None => server.state.to_string(),
    }
}

/// What is special about a server's part in its service.
pub(super) fn role(server: &Server) -> Option<&'static str> {
    match (server.fallback, server.backup) {
        (true, _) => Some("fallback"),
        (_, true) => Some("backup"),
        _ => None,
    }
}

pub(super) fn next_hop(next_hop: &NextHop) -> String {
    let mut text = format!("{} {}", next_hop.interface, next_hop.mac.as_deref().unwrap_or("?"));
    if let Some(gateway) = next_hop.gateway {
        text += &format!(" via {gateway}");
    }
    text
}

fn name(server: &Server) -> String {
    format!("{}{}", server.name, mark(server.configured_weight.is_none()))
}

fn weight(server: &Server) -> String {
    let changed = server.configured_weight.is_some_and(|weight| weight != server.weight);
    format!("{}{}", server.weight, mark(changed))
}

/// Connections, and how many there may be: `10/100`.
fn active(server: &Server) -> String {
    match server.max_connections {
        Some(max) => format!("{}/{max}", count(server.active)),
        None => count(server.active),
    }
}

fn mark(changed: bool) -> &'static str {
    if changed { "*" } else { "" }
}
