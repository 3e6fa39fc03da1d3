use super::table::{next_hop, role, state};
use crate::table::Column::{Number, Text};
use crate::table::{count, table};
use crate::time::{ago, duration, latency};
use lb_common::api::{AdminState, CheckResult, Health, Server, ServerDetail};

/// One server, what its check says, and the check's last results.
pub(super) fn view(ServerDetail { server, history }: &ServerDetail) -> String {
    let mut text = facts(server);
    match history {
        None => text += &fact("check", "none: taken to be up"),
        Some(health) => {
            text += &fact("check", &health.check);
            text += &fact("health", &verdict(health));
            text.push('\n');
            text += &results(&health.last);
        }
    }
    text
}

fn facts(server: &Server) -> String {
    let mut state = state(server);
    if server.admin != AdminState::Enabled {
        state += &format!(" ({} by its operator)", server.admin);
    }
    let weight = match server.configured_weight {
        None => format!("{} (the server isn't in the file)", server.weight),
        Some(file) if file != server.weight => format!("{} ({file} in the file)", server.weight),
        Some(_) => server.weight.to_string(),
    };
    let limit = server.max_connections.map_or(String::new(), |max| format!(" of at most {max}"));
    let (active, all) = (count(server.active), count(server.stats.connections));
    let mut text = fact("server", &format!("{}/{}", server.service, server.name));
    text += &fact("address", &server.address.to_string());
    text += &fact("state", &state);
    text += &role(server).map_or(String::new(), |role| fact("role", role));
    text += &fact("weight", &weight);
    text += &fact("connections", &format!("{active} active{limit}, {all} in all"));
    text += &fact("next hop", &server.next_hop.as_ref().map_or("-".to_owned(), next_hop));
    text
}

fn verdict(health: &Health) -> String {
    format!("{} for {}: {}", health.verdict, duration(health.since), health.cause)
}

fn results(results: &[CheckResult]) -> String {
    let columns = [Number("AGO"), Text("RESULT"), Number("LATENCY"), Text("CAUSE")];
    let row = |result: &CheckResult| {
        vec![
            ago(result.ago),
            if result.passed { "passed" } else { "failed" }.to_owned(),
            latency(result.latency),
            result.cause.clone(),
        ]
    };
    table(&columns, results.iter().map(row))
}

fn fact(name: &str, value: &str) -> String {
    format!("{name:<13}{value}\n")
}
