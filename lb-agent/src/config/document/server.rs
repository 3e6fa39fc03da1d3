use super::super::decode::{Field, Read};
use super::super::distinct::Distinct;
use super::super::model::{FALLBACK, Server, ServerCheck, Service};
use super::super::rules::{self, Known, Totals};
use super::super::value::{endpoint, number, truth, word, words};
use super::{Context, check, unique_name};
use lb_common::api::{AdminState, MAX_WEIGHT};
use std::net::SocketAddr;

/// Most connections that a server can be limited to: more flows there never are.
const MAX_CONNECTIONS: u32 = 1 << 26;

/// The members of a service that one more must differ from.
pub(in super::super) struct Members {
    names: Distinct<String>,
    addresses: Distinct<SocketAddr>,
}

impl Members {
    pub(in super::super) fn nobody() -> Self {
        Self { names: Distinct::new(), addresses: Distinct::new() }
    }

    /// Those of a service that runs.
    pub(in super::super) fn running(service: &Service) -> Self {
        Self {
            names: Distinct::running(service.members().map(|server| server.name.clone())),
            addresses: Distinct::running(service.members().map(|server| server.address)),
        }
    }

    pub(super) fn claim_address(&mut self, address: SocketAddr, field: &Field<'_>) -> Read<()> {
        self.addresses
            .claim(address, field, |first| format!("the server {first} has this address already"))
    }
}

/// Reads a server of a service.
pub(in super::super) fn server(
    field: &Field<'_>,
    service: Known,
    members: &mut Members,
    totals: &mut Totals,
    context: &Context<'_>,
) -> Read<Server> {
    let room = totals.add_server(field);
    let server = field.mapping("a server with a name and an address", |map| {
        let name = map.required("name", "webA", |f| name(f, &mut members.names));
        let address = map.required("address", "192.168.0.102:80", |f| {
            let address = endpoint(f)?;
            let unique = members.claim_address(address, f);
            f.obey(rules::reach(address, service)).and(unique)?;
            Ok(address)
        });
        let weight = map.or("weight", 1, number(0..=MAX_WEIGHT));
        let backup = map.or("backup", false, truth);
        let max_connections = map.optional("max_connections", number(1..=MAX_CONNECTIONS));
        let admin =
            map.or("admin", AdminState::Enabled, word(words(AdminState::ALL, AdminState::word)));
        let check = map.or("check", ServerCheck::Service, |f| {
            Ok(check::check(f, context)?.map_or(ServerCheck::Off, ServerCheck::Own))
        });
        Ok(Server {
            name: name?.value,
            address: address?.value,
            weight: weight?,
            admin: admin?,
            backup: backup?,
            max_connections: max_connections?.map(|at| at.value),
            check: check?,
        })
    });
    room.and(server)
}

fn name(field: &Field<'_>, names: &mut Distinct<String>) -> Read<String> {
    let name = unique_name(field, names, "server")?;
    if name == FALLBACK {
        let why = "is the name of the service's own field fallback; choose another";
        return Err(field.report(format!("{FALLBACK:?} {why}")));
    }
    Ok(name)
}
