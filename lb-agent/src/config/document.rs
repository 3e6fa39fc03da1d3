//! The fields of the file, and what each may be.

use super::check::{self, Known, Totals};
use super::decode::{Distinct, Field, Read};
use super::model::{Config, Limits, Server, ServerCheck, Service};
use super::value::{endpoint, interface, name, number, prime, seconds, word};
use lb_common::abi::Timeouts;
use lb_common::api::{AdminState, MAX_WEIGHT, Mode, OnDown, Protocol, Scheduler};
use std::time::Duration;

/// LVS's names for the modes.
const MODE_SYNONYMS: [(&str, Mode); 3] =
    [("masq", Mode::Nat), ("gate", Mode::Dr), ("ipip", Mode::Tunnel)];

/// ipvsadm's flags that make a hash scheduler look at the port.
const PORT_FLAGS: [(&str, Scheduler); 2] = [("sh-port", Scheduler::Sh), ("mh-port", Scheduler::Mh)];

/// The largest prime that the default for `limits.slots` has room for.
const MAX_TABLE_SIZE: u32 = 4_194_301;

/// Longest timeout: a week.
const MAX_TIMEOUT: u32 = 7 * 24 * 60 * 60;

/// What the whole file is.
pub(super) const CONFIGURATION: &str = "a configuration with interfaces and services";

/// Reads the whole file.
pub(super) fn config(root: &Field<'_>, interface_exists: &dyn Fn(&str) -> bool) -> Read<Config> {
    root.mapping(CONFIGURATION, |map| {
        let interfaces = map.required("interfaces", "[eth0]", |f| interfaces(f, interface_exists));
        let limits = map.or("limits", Limits::default(), limits);
        let services = map.required("services", "[]", |f| services(f, limits.ok()));
        Ok(Config {
            interfaces: interfaces?.value,
            limits: limits?,
            group: None,
            autoreload: false,
            services: services?.value,
        })
    })
}

fn interfaces(field: &Field<'_>, exists: &dyn Fn(&str) -> bool) -> Read<Vec<String>> {
    let mut seen = Distinct::new();
    let names = field.list("a list of interfaces, like [eth0]", |field| {
        let name = interface(field)?;
        seen.claim(name.clone(), field, |line| format!("{name:?} is in line {line} already"))?;
        if exists(&name) {
            Ok(name)
        } else {
            Err(field.report(format!("this host has no interface {name:?}")))
        }
    })?;
    if names.is_empty() {
        return Err(field.report("expected at least one interface, like [eth0]"));
    }
    Ok(names)
}

fn limits(field: &Field<'_>) -> Read<Limits> {
    let default = Limits::default();
    field.mapping("a mapping of limits, like { services: 4096 }", |map| {
        let services = map.or("services", default.services, number(1..=1 << 16));
        let servers = map.or("servers", default.servers, number(1..=1 << 20));
        let slots = map.or("slots", default.slots, number(1..=1 << 26));
        let flows = map.or("flows", default.flows, number(1..=1 << 26));
        let half_open = map.or("half_open", default.half_open, number(1..=1 << 26));
        Ok(Limits {
            services: services?,
            servers: servers?,
            slots: slots?,
            flows: flows?,
            half_open: half_open?,
        })
    })
}

fn services(field: &Field<'_>, limits: Option<Limits>) -> Read<Vec<Service>> {
    let mut names = Distinct::new();
    let mut addresses = Distinct::new();
    let mut totals = Totals::new(limits);
    field.list("a list of services, or [] for none", |field| {
        let room = totals.add_service(field);
        let service = service(field, &mut names, &mut addresses, &mut totals);
        room.and(service)
    })
}

fn service(
    field: &Field<'_>,
    names: &mut Distinct<String>,
    addresses: &mut Distinct<check::VirtualAddress>,
    totals: &mut Totals,
) -> Read<Service> {
    field.mapping("a service with a name, an address, a mode and servers", |map| {
        let name = map.required("name", "web", |f| unique_name(f, names, "service"));
        let protocol =
            map.or("protocol", Protocol::Tcp, word(words(Protocol::ALL, Protocol::word)));
        let address = map.required("address", "192.168.0.99:80", |f| {
            let address = endpoint(f)?;
            addresses.claim((address, protocol?), f, |line| {
                format!("the service in line {line} has this address and protocol already")
            })?;
            Ok(address)
        });
        let modes = words(Mode::ALL, Mode::word).chain(MODE_SYNONYMS);
        let mode = map.required("mode", "dr", word(modes));
        let schedulers = word(words(Scheduler::ALL, Scheduler::word));
        let scheduler = map.or("scheduler", Scheduler::Wrr, schedulers);
        let hash_port = map.or("scheduler_flags", false, |f| scheduler_flags(f, scheduler.ok()));
        let table_size = map.optional("table_size", prime(MAX_TABLE_SIZE));
        let timeouts = map.or("timeouts", Timeouts::DEFAULT, timeouts);
        let known = Known {
            address: address.as_ref().ok().map(|at| at.value),
            mode: mode.as_ref().ok().map(|at| at.value),
        };
        let servers = map.required("servers", "[]", |f| servers(f, known, totals));
        if let Ok(Some(size)) = &table_size {
            let servers = servers.as_ref().ok().map(|at| at.value.len());
            check::table(size, scheduler.ok(), servers)?;
            totals.add_table(size)?;
        }
        Ok(Service {
            name: name?.value,
            address: address?.value,
            protocol: protocol?,
            mode: mode?.value,
            scheduler: scheduler?,
            hash_port: hash_port?,
            timeouts: timeouts?,
            table_size: table_size?.map(|at| at.value),
            persist: None,
            check: None,
            on_down: OnDown::default(),
            slow_start: Duration::ZERO,
            fallback: None,
            servers: servers?.value,
        })
    })
}

fn scheduler_flags(field: &Field<'_>, scheduler: Option<Scheduler>) -> Read<bool> {
    let flags = field.list("a list of flags, like [mh-port]", |field| {
        let of = word(PORT_FLAGS.into_iter())(field)?;
        check::flag(field, of, scheduler)
    })?;
    Ok(!flags.is_empty())
}

fn timeouts(field: &Field<'_>) -> Read<Timeouts> {
    let default = Timeouts::DEFAULT;
    let timeout = || seconds(1..=MAX_TIMEOUT);
    field.mapping("a mapping of timeouts, like { established: 15m }", |map| {
        let syn = map.or("syn", default.syn, timeout());
        let established = map.or("established", default.established, timeout());
        let fin = map.or("fin", default.fin, timeout());
        let closed = map.or("closed", default.closed, timeout());
        let udp = map.or("udp", default.udp, timeout());
        Ok(Timeouts { syn: syn?, established: established?, fin: fin?, closed: closed?, udp: udp? })
    })
}

fn servers(field: &Field<'_>, service: Known, totals: &mut Totals) -> Read<Vec<Server>> {
    let mut names = Distinct::new();
    let mut addresses = Distinct::new();
    field.list("a list of servers, or [] for none", |field| {
        let room = totals.add_server(field);
        let server = field.mapping("a server with a name and an address", |map| {
            let name = map.required("name", "webA", |f| unique_name(f, &mut names, "server"));
            let address = map.required("address", "192.168.0.102:80", |f| {
                let address = endpoint(f)?;
                let unique = addresses.claim(address, f, |line| {
                    format!("the server in line {line} has this address already")
                });
                check::server_address(f, address, service).and(unique)?;
                Ok(address)
            });
            let weight = map.or("weight", 1, number(0..=MAX_WEIGHT));
            Ok(Server {
                name: name?.value,
                address: address?.value,
                weight: weight?,
                admin: AdminState::default(),
                backup: false,
                max_connections: None,
                check: ServerCheck::default(),
            })
        });
        room.and(server)
    })
}

fn unique_name(field: &Field<'_>, seen: &mut Distinct<String>, what: &str) -> Read<String> {
    let name = name(field)?;
    seen.claim(name.clone(), field, |line| {
        format!("the {what} in line {line} has the name {name:?} already")
    })?;
    Ok(name)
}

fn words<T: Copy>(
    all: &'static [T],
    word: fn(T) -> &'static str,
) -> impl Iterator<Item = (&'static str, T)> + Clone {
    all.iter().map(move |&value| (word(value), value))
}
