use super::ServerName;
use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, show};
use crate::table::Column::{Number, Text};
use crate::table::table;
use crate::time::clock;
use lb_common::api::{self, Connection};
use std::process::ExitCode;

/// Which connections to show.
#[derive(clap::Args)]
pub(crate) struct Connections {
    /// Only of this service
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    service: Option<String>,
    /// Only of this server
    #[arg(long, value_name = "SERVICE/SERVER", conflicts_with = "service")]
    server: Option<ServerName>,
    /// At most so many
    #[arg(long, value_name = "N", default_value = "1000")]
    limit: usize,
}

/// `connections`
pub(crate) fn connections(
    client: &Client,
    format: Format,
    query: &Connections,
) -> Result<ExitCode, Failure> {
    let service = query.server.as_ref().map(|server| &server.service).or(query.service.as_ref());
    let request = Request::get(&["connections"])
        .query("service", service)
        .query("server", query.server.as_ref().map(|server| &server.server))
        .query("limit", Some(query.limit));
    show(client, format, &request, |answer: api::Connections| {
        let shown = answer.connections.len();
        let note = (shown < answer.total)
            .then(|| format!("{shown} of {} connections; --limit N shows more", answer.total));
        View { text: list(&answer.connections), note, found: false }
    })
}

fn list(connections: &[Connection]) -> String {
    let columns = [
        Text("PROTO"),
        Text("STATE"),
        Number("IDLE"),
        Number("EXPIRES"),
        Text("CLIENT"),
        Text("VIRTUAL"),
        Text("SERVER"),
        Text("DESTINATION"),
    ];
    let row = |connection: &Connection| {
        vec![
            connection.protocol.to_string(),
            connection.state.clone(),
            clock(connection.idle),
            clock(connection.expires),
            connection.client.to_string(),
            connection.address.to_string(),
            format!("{}/{}", connection.service, connection.server),
            connection.server_address.to_string(),
        ]
    };
    table(&columns, connections.iter().map(row))
}
