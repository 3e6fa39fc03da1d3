use super::{Election, Facts, elect, is_usable};
use crate::config::{Server, Service};
use std::{collections::HashMap, time::Instant};

/// Holds the elections, and remembers who came up when.
#[derive(Debug, Default)]
pub struct Roster {
    /// Of the services with a slow start, by name: their servers by name.
    services: HashMap<String, HashMap<String, Rise>>,
}

/// What is remembered of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rise {
    /// It couldn't take connections.
    Down,
    /// It came up after it couldn't.
    Since(Instant),
    /// It could take connections when it was seen first.
    Settled,
}

impl Roster {
    /// Decides how the members of a service stand. A server that comes up after it was seen down
    /// starts slowly, where the service asks for that.
    pub fn elect(
        &mut self,
        service: &Service,
        facts: impl Fn(&Server) -> Facts,
        now: Instant,
    ) -> Election {
        if service.slow_start.is_zero() {
            self.services.remove(&service.name);
            return elect(service, facts, |_| None, now);
        }
        let known = self.services.entry(service.name.clone()).or_default();
        known.retain(|name, _| service.servers.iter().any(|server| server.name == *name));
        for server in &service.servers {
            let usable = is_usable(server, &facts(server));
            let rise = match (known.get(&server.name), usable) {
                (_, false) => Rise::Down,
                (None, true) => Rise::Settled,
                (Some(Rise::Down), true) => Rise::Since(now),
                (Some(rise), true) => *rise,
            };
            known.insert(server.name.clone(), rise);
        }
        let known = &*known;
        let up_since = |server: &Server| match known.get(&server.name) {
            Some(Rise::Since(at)) => Some(*at),
            _ => None,
        };
        elect(service, facts, up_since, now)
    }

    /// Forgets the services that are not wanted any more.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.services.retain(|name, _| wanted(name));
    }
}
