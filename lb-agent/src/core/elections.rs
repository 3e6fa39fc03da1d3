//! Who serves: what checks, clocks and operators change about it.

use super::{
    agent::Agent,
    running::{Changed, Extent, Hosts, Serving, Surroundings, Targets, target, unix_time},
};
use crate::{
    config::{Server, Service},
    desired,
    health::{Change, Target, Wanted},
    standing::{Election, Standing, Tier},
    sweep::Counts,
};
use lb_common::{
    abi::server_flags,
    api::{AdminState, EventKind, Verdict},
};
use std::{
    collections::HashSet,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

impl Agent {
    /// Begins the checks, where the data plane has been left to: what serves goes on serving until
    /// its check fails.
    pub(super) fn begin_checks(&mut self) {
        let mut serving = Serving::new();
        for service in &self.running.config.services {
            for server in service.members() {
                let known = self.index(service, server);
                let entry = known.and_then(|index| self.observed.servers.get(index as usize));
                if entry.is_some_and(|entry| entry.flags & server_flags::LEAVING == 0) {
                    serving.insert((service.name.clone(), server.address));
                }
            }
        }
        let (extent, targets) = (Extent::Everything, Targets::All);
        self.follow_config(&Changed { extent, targets, serving, hosts: Hosts::All });
    }

    /// Checks what is to be checked by now, and holds the elections that a change asks for. What
    /// serves goes on serving until its check fails, whether or not the check is a new one.
    pub(super) fn follow_config(&mut self, changed: &Changed) {
        let services = &self.running.config.services;
        let concerned: Vec<usize> = match &changed.extent {
            Extent::Services(places) => places.clone(),
            Extent::Everything => (0..services.len()).collect(),
        };
        let mut serving: HashSet<Target> = HashSet::new();
        for service in concerned.iter().map(|&place| &services[place]) {
            let serves = |server: &&Server| {
                changed.serving.contains(&(service.name.clone(), server.address))
            };
            let servers = service.members().filter(serves);
            serving.extend(servers.filter_map(|server| target(service, server)));
        }
        let wanted = |target: &Target| Wanted {
            target: target.clone(),
            before: serving.contains(target).then_some(Verdict::Up),
        };
        match &changed.targets {
            Targets::All => self.checks.want(self.running.targets().map(wanted)),
            Targets::Exchange { out, with } => {
                self.checks.exchange(out.iter().cloned(), with.iter().map(wanted));
            }
        }
        match changed.extent {
            Extent::Services(_) => self.elect(&concerned),
            Extent::Everything => {
                let surroundings = Surroundings { checks: &self.checks, edits: &self.edits };
                self.running.elect_all(surroundings, Instant::now());
            }
        }
    }

    /// Takes in what a check has found; returns the services that it concerns.
    pub(super) fn follow_health(&mut self, changed: &Change) -> Vec<usize> {
        let services = self.running.asking(&changed.target).to_vec();
        for &place in &services {
            let service = &self.running.config.services[place];
            let concerned =
                |server: &&Server| target(service, server).is_some_and(|one| one == changed.target);
            for server in service.members().filter(concerned) {
                let message = format!("{}: {}", changed.verdict, changed.cause);
                let (service, server) = (Some(&*service.name), Some(&*server.name));
                match changed.verdict {
                    Verdict::Down => {
                        self.events.warn(EventKind::Health, service, server, message);
                    }
                    _ => self.events.record(EventKind::Health, service, server, message),
                }
            }
        }
        self.elect(&services);
        services
    }

    /// Holds the elections of these services.
    pub(super) fn elect(&mut self, services: &[usize]) {
        let now = Instant::now();
        for &place in services {
            let surroundings = Surroundings { checks: &self.checks, edits: &self.edits };
            let before = self.running.elect(place, surroundings, now);
            if let (Some(before), Some(after)) = (before, self.running.election(place)) {
                self.tell(place, &before, after);
            }
        }
    }

    /// When something is to happen although there is no news.
    pub(super) fn due(&self) -> Option<Instant> {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let drains = self.edits.deadlines().filter(|(service, server, _)| {
            // One that has come to its end is told by its standing.
            self.drain(service, server).is_some_and(|standing| !standing.resets)
        });
        let drain = drains
            .map(|(_, _, until)| UNIX_EPOCH + Duration::from_secs(until))
            .map(|until| now + until.duration_since(wall).unwrap_or_default())
            .min();
        [drain, self.running.due()].into_iter().flatten().min()
    }

    /// How a server stands that is being drained.
    fn drain(&self, service: &str, server: &str) -> Option<&Standing> {
        let place = self.running.place(service)?;
        let mut members = self.running.config.services[place].members();
        let position =
            members.position(|one| one.name == server && one.admin == AdminState::Drained)?;
        self.running.standings(place).get(position)
    }

    /// Holds the elections that are due; returns their services.
    pub(super) fn elect_due(&mut self) -> Vec<usize> {
        let mut services = self.running.due_at(Instant::now());
        let drains = self.edits.deadlines();
        services.extend(drains.filter_map(|(service, _, _)| self.running.place(service)));
        services.sort_unstable();
        services.dedup();
        self.elect(&services);
        services
    }

    /// Says what an election has changed.
    fn tell(&self, place: usize, before: &Election, after: &Election) {
        let Some(service) = self.running.config.services.get(place) else { return };
        if before.standings.is_empty() {
            return;
        }
        if before.tier != after.tier {
            let (name, message) = (Some(&*service.name), after.tier.to_string());
            match after.tier {
                Tier::Servers => self.events.record(EventKind::Service, name, None, message),
                _ => self.events.warn(EventKind::Service, name, None, message),
            }
        }
        if before.standings.len() != after.standings.len() {
            return;
        }
        let standings = before.standings.iter().zip(&after.standings);
        for (server, (before, after)) in service.members().zip(standings) {
            let until = self.edits.deadline(&service.name, &server.name);
            let is_over = until.is_some_and(|until| until <= unix_time());
            if after.resets && !before.resets && is_over {
                let left = self.active(&self.look.counts, service, server);
                let message = format!("the drain's time is over: {left} connections are reset");
                let (service, server) = (Some(&*service.name), Some(&*server.name));
                self.events.record(EventKind::Drain, service, server, message);
            }
        }
    }

    /// Connections of a server. Those of UDP choose another server when this one takes none.
    pub(super) fn active(&self, counts: &Counts, service: &Service, server: &Server) -> u64 {
        let Some(index) = self.index(service, server) else { return 0 };
        let Some(entry) = self.observed.servers.get(index as usize) else { return 0 };
        let count = counts.of((index, entry.generation));
        if entry.flags & server_flags::LEAVING != 0 { count.tcp } else { count.total() }
    }

    /// Place of a server in the servers map.
    pub(super) fn index(&self, service: &Service, server: &Server) -> Option<u32> {
        let id = self.observed.services.get(&desired::key(service))?.id;
        self.ledger.index(&(id, server.address.ip().into(), server.address.port().to_be()))
    }
}
