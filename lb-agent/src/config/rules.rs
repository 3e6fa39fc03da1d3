//! The rules that concern more than one field.

use super::decode::{At, Field, Read};
use super::model::{Config, Limits, Server, Service};
use lb_common::api::{Mode, Protocol, Scheduler};
use std::net::SocketAddr;

/// What no two services share.
pub(super) type VirtualAddress = (SocketAddr, Protocol);

/// What the rules for a server need of its service, as far as that could be read.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) address: Option<SocketAddr>,
    pub(super) mode: Option<Mode>,
}

impl Known {
    /// All that is to be known.
    pub(super) fn of(service: &Service) -> Self {
        Self { address: Some(service.address), mode: Some(service.mode) }
    }
}

/// A server must be one that the service's mode can reach.
pub(super) fn reach(server: SocketAddr, service: Known) -> Result<(), String> {
    let (Some(address), Some(mode)) = (service.address, service.mode) else {
        return Ok(());
    };
    let same_family = server.is_ipv4() == address.is_ipv4();
    Err(match mode {
        _ if server == address => {
            "this is the service's own address; name a real server's".to_owned()
        }
        Mode::Nat | Mode::Dr if !same_family => format!(
            "the service's address is {}, and mode {mode} cannot change that; \
             write the server's {} address",
            family(address),
            family(address)
        ),
        Mode::Tunnel if !same_family && server.is_ipv4() => {
            "mode tunnel cannot carry IPv6 over IPv4; write the server's IPv6 address".to_owned()
        }
        Mode::Dr | Mode::Tunnel if server.port() != address.port() => format!(
            "mode {mode} leaves the port as it is, so this must be the service's, {}; \
             mode nat can change it",
            address.port()
        ),
        _ => return Ok(()),
    })
}

/// A fallback may be this director too, whose own stack takes the packets as they are.
pub(super) fn reach_fallback(fallback: SocketAddr, service: Known) -> Result<(), String> {
    reach(fallback, service)?;
    match service.address {
        Some(address) if fallback.ip().is_loopback() && fallback.port() != address.port() => {
            Err(format!(
                "this director takes the packets as they are, so the port must be the service's, {}",
                address.port()
            ))
        }
        _ => Ok(()),
    }
}

/// A server that comes to a service at run time must find its place there.
pub(crate) fn fits(service: &Service, server: &Server) -> Result<(), String> {
    reach(server.address, Known::of(service))?;
    match service.members().find(|other| other.address == server.address) {
        Some(other) => Err(format!("server {} has its address, {}", other.name, other.address)),
        None => Ok(()),
    }
}

/// A flag belongs to one scheduler.
pub(super) fn flag(field: &Field<'_>, of: Scheduler, scheduler: Option<Scheduler>) -> Read<()> {
    match scheduler {
        Some(scheduler) if scheduler != of => Err(field
            .report(format!("this flag is for scheduler {of}, but the service has {scheduler}"))),
        _ => Ok(()),
    }
}

/// A Maglev table holds every server at least once.
pub(super) fn table(
    size: &At<'_, u32>,
    scheduler: Option<Scheduler>,
    servers: Option<usize>,
) -> Read<()> {
    if let Some(scheduler) = scheduler.filter(|&scheduler| scheduler != Scheduler::Mh) {
        return Err(size.field.report(format!(
            "only scheduler {} has a table size, but the service has {scheduler}",
            Scheduler::Mh
        )));
    }
    match servers.filter(|&servers| servers > size.value as usize) {
        Some(servers) => Err(size.field.report(format!(
            "the table is smaller than the number of servers, {servers}; \
             a good size is 100 times that"
        ))),
        None => Ok(()),
    }
}

/// Counts what the limits limit.
pub(super) struct Totals {
    limits: Option<Limits>,
    services: u32,
    servers: u32,
    slots: u64,
}

impl Totals {
    /// Counts from nothing; without limits (they could not be read) nothing is too much.
    pub(super) fn new(limits: Option<Limits>) -> Self {
        Self { limits, services: 0, servers: 0, slots: 0 }
    }

    /// Counts from what runs.
    pub(super) fn running(config: &Config) -> Self {
        let services = || config.services.iter();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            limits: Some(config.limits),
            services: number(config.services.len()),
            servers: number(services().map(|service| service.members().count()).sum()),
            slots: services().filter_map(|service| service.table_size).map(u64::from).sum(),
        }
    }

    /// Counts a service; the first one too many is reported.
    pub(super) fn add_service(&mut self, field: &Field<'_>) -> Read<()> {
        self.services = self.services.saturating_add(1);
        match self.limits {
            Some(limits) if self.services == limits.services.saturating_add(1) => {
                Err(field.report(too_many("services", limits.services)))
            }
            _ => Ok(()),
        }
    }

    /// Counts a server; the first one too many is reported.
    pub(super) fn add_server(&mut self, field: &Field<'_>) -> Read<()> {
        self.servers = self.servers.saturating_add(1);
        match self.limits {
            Some(limits) if self.servers == limits.servers.saturating_add(1) => {
                Err(field.report(too_many("servers", limits.servers)))
            }
            _ => Ok(()),
        }
    }

    /// Counts the slots of a table of a given size; the first table too many is reported.
    pub(super) fn add_table(&mut self, size: &At<'_, u32>) -> Read<()> {
        let before = self.slots;
        self.slots = before.saturating_add(size.value.into());
        match self.limits {
            Some(limits) if (before..self.slots).contains(&limits.slots.into()) => {
                Err(size.field.report(too_many("slots", limits.slots)))
            }
            _ => Ok(()),
        }
    }
}

fn too_many(what: &str, limit: u32) -> String {
    format!("limits.{what} allows {limit} in all, and this is beyond; raise it or have fewer")
}

fn family(address: SocketAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}
