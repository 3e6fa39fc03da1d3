//! The fields of the file, and what each may be.

mod check;
mod probe;
mod server;
mod service;

pub(super) use probe::escaped;
pub(super) use server::{Members, server};
pub(super) use service::{Beside, PORT_FLAGS, service};

use super::decode::{Field, Read};
use super::distinct::Distinct;
use super::host::Host;
use super::model::{Config, Limits, Service};
use super::problem::quote;
use super::value::{interface, name, number, truth};
use crate::health::check::Check;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

/// What the whole file is.
pub(super) const CONFIGURATION: &str = "a configuration with interfaces and services";

/// What a file is read with.
pub(super) struct Context<'a> {
    /// What it is for.
    pub(super) host: &'a dyn Host,
    /// The checks so far: equal ones are kept once.
    checks: RefCell<HashSet<Arc<Check>>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(host: &'a dyn Host) -> Self {
        Self { host, checks: RefCell::default() }
    }

    fn share(&self, check: Check) -> Arc<Check> {
        let mut checks = self.checks.borrow_mut();
        if let Some(known) = checks.get(&check) {
            return Arc::clone(known);
        }
        let check = Arc::new(check);
        checks.insert(Arc::clone(&check));
        check
    }
}

/// Reads the whole file.
pub(super) fn config(root: &Field<'_>, context: &Context<'_>) -> Read<Config> {
    root.mapping(CONFIGURATION, |map| {
        let interfaces = map.required("interfaces", "[eth0]", |f| interfaces(f, context.host));
        let limits = map.or("limits", Limits::default(), limits);
        let group = map.or("control", None, |f| control(f, context.host));
        let autoreload = map.or("autoreload", false, truth);
        let services = map.required("services", "[]", |f| services(f, limits.ok(), context));
        Ok(Config {
            interfaces: interfaces?.value,
            limits: limits?,
            group: group?,
            autoreload: autoreload?,
            services: services?.value,
        })
    })
}

fn interfaces(field: &Field<'_>, host: &dyn Host) -> Read<Vec<String>> {
    let mut seen = Distinct::new();
    let names = field.list("a list of interfaces, like [eth0]", |field| {
        let name = interface(field)?;
        seen.claim(name.clone(), field, |first| format!("{name:?} is {first} already"))?;
        if host.has_interface(&name) {
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

fn control(field: &Field<'_>, host: &dyn Host) -> Read<Option<String>> {
    field.mapping("a mapping of who may use the control socket, like { group: adm }", |map| {
        let group = map.optional("group", |field| {
            let group = field.text("the name of a group")?;
            if host.has_group(group) {
                Ok(group.to_owned())
            } else {
                Err(field.report(format!("this host has no group {}", quote(group))))
            }
        });
        Ok(group?.map(|at| at.value))
    })
}

fn services(
    field: &Field<'_>,
    limits: Option<Limits>,
    context: &Context<'_>,
) -> Read<Vec<Arc<Service>>> {
    let mut beside = Beside::nothing(limits);
    field.list("a list of services, or [] for none", |field| {
        service(field, &mut beside, context).map(Arc::new)
    })
}

fn unique_name(field: &Field<'_>, seen: &mut Distinct<String>, what: &str) -> Read<String> {
    let name = name(field)?;
    seen.claim(name.clone(), field, |first| {
        format!("the {what} {first} has the name {name:?} already")
    })?;
    Ok(name)
}
