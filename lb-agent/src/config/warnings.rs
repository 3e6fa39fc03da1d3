//! What is legal, but perhaps not meant.

use super::model::{Config, Server, ServerCheck, Service};
use crate::health::check::{Check, Probe};
use lb_common::api::{AdminState, Scheduler};

impl Config {
    /// What is legal, but perhaps not meant: a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        self.services.iter().flat_map(|service| warnings(service)).collect()
    }
}

fn warnings(service: &Service) -> Vec<String> {
    let name = &service.name;
    let checks = service.servers.iter().filter_map(|server| match &server.check {
        ServerCheck::Own(check) => Some((format!("server {name}/{}", server.name), check)),
        ServerCheck::Service | ServerCheck::Off => None,
    });
    let own = service.check.iter().map(|check| (format!("service {name}"), check));
    let odd = own
        .chain(checks)
        .filter_map(|(whose, check)| about_check(check).map(|words| format!("{whose}: {words}")));
    let who = about_servers(service).map(|words| format!("service {name} {words}"));
    who.into_iter().chain(odd).collect()
}

/// Goes on after `service NAME `.
fn about_servers(service: &Service) -> Option<&'static str> {
    let servers = &service.servers;
    let every = |test: fn(&Server) -> bool| servers.iter().all(test);
    let unchecked =
        || service.check.is_none() && every(|server| !matches!(server.check, ServerCheck::Own(_)));
    if servers.is_empty() {
        Some("has no servers: nobody takes its connections")
    } else if every(|server| server.weight == 0) {
        Some("gives every server weight 0: nobody takes new connections")
    } else if every(|server| server.admin != AdminState::Enabled) {
        Some("has every server drained or disabled: nobody takes new connections")
    } else if every(|server| server.backup) {
        Some("has no server that isn't a backup: the backups serve all the time")
    } else if unchecked() && (service.fallback.is_some() || servers.iter().any(|s| s.backup)) {
        Some("has a backup or a fallback, but no check: its servers never count as down")
    } else if matches!(service.scheduler, Scheduler::Rr | Scheduler::Lc)
        && servers.iter().any(|server| server.weight > 1)
    {
        Some("has weights, which its scheduler ignores; wrr and wlc honour them")
    } else {
        None
    }
}

fn about_check(check: &Check) -> Option<&'static str> {
    match &check.probe {
        Probe::Ping if check.port.is_some() => Some("a ping has no port"),
        Probe::Http(http) => match &http.tls {
            Some(tls) if !tls.verify && tls.ca.is_some() => {
                Some("ca has no effect without verify: any certificate passes")
            }
            _ => None,
        },
        _ => None,
    }
}
