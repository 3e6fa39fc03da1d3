//! What runs: the file with the operators' edits, and who serves each service.

use crate::{
    config::{Config, Server, Service},
    health::{Checks, Target},
    standing::{Election, Facts, Roster, Standing},
    state::Edits,
};
use lb_common::api::{AdminState, Verdict};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    mem,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// See the module's description.
pub(super) struct Running {
    /// The configuration as the file says it.
    pub(super) file: Config,
    /// The same with the operators' edits.
    pub(super) config: Config,
    /// What could not be made of the edits, in words.
    pub(super) conflicts: Vec<String>,
    /// Who serves, in the order of the services.
    elections: Vec<Election>,
    /// Places of the services by name.
    places: HashMap<String, usize>,
    /// The services that ask for a check of a target.
    asking: HashMap<Target, Vec<usize>>,
    roster: Roster,
}

/// What a new file or new edits have changed.
pub(super) struct Changed {
    pub(super) extent: Extent,
    /// What is to be checked otherwise than before.
    pub(super) targets: Targets,
    /// Who took connections in the services that have changed.
    pub(super) serving: Serving,
    /// Which servers are to be found otherwise than before.
    pub(super) hosts: Hosts,
}

/// How far a change goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// No further than the services in these places.
    Services(Vec<usize>),
    /// There are other services than before.
    Everything,
}

/// What is to be checked.
pub(super) enum Targets {
    /// All that [`Running::targets`] names, whatever was before.
    All,
    /// As before, but for these.
    Exchange {
        /// Not any more.
        out: Vec<Target>,
        /// From now on.
        with: Vec<Target>,
    },
}

/// Whose ways are to be followed.
pub(super) enum Hosts {
    /// Those of all servers.
    All,
    /// As before, but for these.
    Exchange {
        /// Not any more.
        out: BTreeSet<IpAddr>,
        /// From now on, if they weren't yet.
        with: BTreeSet<IpAddr>,
    },
}

/// Servers that take connections, by name of the service and address.
pub(super) type Serving = HashSet<(String, SocketAddr)>;

/// What the elections depend on beside the configuration.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) checks: &'a Checks,
    pub(super) edits: &'a Edits,
}

impl Running {
    /// Nobody serves until [`Running::elect`].
    pub(super) fn new(file: Config, edits: &Edits) -> Self {
        let mut running = Self {
            file,
            config: Config::default(),
            conflicts: Vec::new(),
            elections: Vec::new(),
            places: HashMap::new(),
            asking: HashMap::new(),
            roster: Roster::default(),
        };
        running.apply(edits);
        running
    }

    /// Takes a new file; returns the old one too. Elections are due.
    pub(super) fn replace(&mut self, mut file: Config, edits: &Edits) -> (Config, Changed) {
        let known: HashMap<&str, &Arc<Service>> =
            self.file.services.iter().map(|one| (one.name.as_str(), one)).collect();
        for service in &mut file.services {
            // What is equal is the same, so that nothing more is done about it.
            if let Some(same) = known.get(service.name.as_str()).filter(|one| **one == service) {
                *service = Arc::clone(same);
            }
        }
        let old = mem::replace(&mut self.file, file);
        (old, self.apply(edits))
    }

    /// Applies the edits to the file. Elections are due.
    pub(super) fn apply(&mut self, edits: &Edits) -> Changed {
        let mut applied = edits.apply(&self.file);
        for (new, old) in applied.config.services.iter_mut().zip(&self.config.services) {
            // One that was edited before is made anew each time.
            if !Arc::ptr_eq(new, old) && new == old {
                *new = Arc::clone(old);
            }
        }
        self.conflicts = applied.conflicts;
        let old = mem::replace(&mut self.config, applied.config);
        let new = &self.config.services;
        let same_names = old.services.len() == new.len()
            && old.services.iter().zip(new).all(|(old, new)| old.name == new.name);
        if !same_names {
            let kept: HashSet<*const Service> = new.iter().map(Arc::as_ptr).collect();
            let changed = (0..).zip(&old.services);
            let changed = changed.filter(|(_, service)| !kept.contains(&Arc::as_ptr(service)));
            let serving = self.serving(changed.map(|(place, service)| (place, &**service)));
            self.index();
            let (extent, targets) = (Extent::Everything, Targets::All);
            return Changed { extent, targets, serving, hosts: Hosts::All };
        }
        let changed: Vec<usize> = (0..)
            .zip(old.services.iter().zip(new))
            .filter(|(_, (old, new))| !Arc::ptr_eq(old, new))
            .map(|(place, _)| place)
            .collect();
        let before = || changed.iter().map(|&place| (place, &*old.services[place]));
        let serving = self.serving(before());
        let hosts = self.hosts(before());
        let (mut out, mut with) = (Vec::new(), Vec::new());
        for (place, service) in before() {
            self.ask(place, service, &mut out, &mut with);
        }
        let targets = Targets::Exchange { out, with };
        Changed { extent: Extent::Services(changed), targets, serving, hosts }
    }

    /// The place of a service.
    pub(super) fn place(&self, service: &str) -> Option<usize> {
        self.places.get(service).copied()
    }

    /// The last election of a service.
    pub(super) fn election(&self, place: usize) -> Option<&Election> {
        self.elections.get(place)
    }

    /// How a service's members stand.
    pub(super) fn standings(&self, place: usize) -> &[Standing] {
        self.election(place).map_or(&[], |election| &election.standings)
    }

    /// The services that ask for a check of a target.
    pub(super) fn asking(&self, target: &Target) -> &[usize] {
        self.asking.get(target).map_or(&[], Vec::as_slice)
    }

    /// All that is to be checked.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.asking.keys()
    }

    /// Holds the elections of all services.
    pub(super) fn elect_all(&mut self, surroundings: Surroundings<'_>, now: Instant) {
        for place in 0..self.config.services.len() {
            self.elect(place, surroundings, now);
        }
    }

    /// Holds the election of one service; returns the one before, if there was any.
    pub(super) fn elect(
        &mut self,
        place: usize,
        surroundings: Surroundings<'_>,
        now: Instant,
    ) -> Option<Election> {
        let service = self.config.services.get(place)?;
        let wall = unix_time();
        let facts = |server: &Server| facts(service, server, surroundings, wall);
        let election = self.roster.elect(service, facts, now);
        self.elections.get_mut(place).map(|last| mem::replace(last, election))
    }

    /// When the next slow start goes on.
    pub(super) fn due(&self) -> Option<Instant> {
        self.elections.iter().filter_map(|election| election.again).min()
    }

    /// The services whose election is due at `now`.
    pub(super) fn due_at(&self, now: Instant) -> Vec<usize> {
        let is_due = |election: &Election| election.again.is_some_and(|again| again <= now);
        (0..).zip(&self.elections).filter(|(_, one)| is_due(one)).map(|(place, _)| place).collect()
    }

    /// Who takes connections in these services, as they were before a change.
    fn serving<'a>(&self, before: impl Iterator<Item = (usize, &'a Service)>) -> Serving {
        let mut serving = Serving::new();
        for (place, service) in before {
            for (server, standing) in service.members().zip(self.standings(place)) {
                if standing.share > 0 {
                    serving.insert((service.name.clone(), server.address));
                }
            }
        }
        serving
    }

    /// What a change of these services, which are given as they were before, does to the servers'
    /// addresses.
    fn hosts<'a>(&self, before: impl Iterator<Item = (usize, &'a Service)>) -> Hosts {
        let (mut out, mut with) = (BTreeSet::new(), BTreeSet::new());
        for (place, service) in before {
            out.extend(addresses(service));
            with.extend(addresses(&self.config.services[place]));
        }
        out.retain(|address| !with.contains(address));
        if !out.is_empty() {
            // Other services may have them too.
            for address in self.config.services.iter().flat_map(|service| addresses(service)) {
                out.remove(&address);
            }
        }
        Hosts::Exchange { out, with }
    }

    /// Files the targets of a service anew; adds those that nobody asked for before to `with`, and
    /// those that nobody asks for any more to `out`.
    fn ask(
        &mut self,
        place: usize,
        before: &Service,
        out: &mut Vec<Target>,
        with: &mut Vec<Target>,
    ) {
        let targets = |service: &Service| -> HashSet<Target> {
            service.members().filter_map(|server| target(service, server)).collect()
        };
        let (old, new) = (targets(before), targets(&self.config.services[place]));
        for gone in old.difference(&new) {
            if let Some(asking) = self.asking.get_mut(gone) {
                asking.retain(|one| *one != place);
                if asking.is_empty() {
                    self.asking.remove(gone);
                    out.push(gone.clone());
                }
            }
        }
        for target in new.difference(&old) {
            let asking = self.asking.entry(target.clone()).or_default();
            if asking.is_empty() {
                with.push(target.clone());
            }
            asking.push(place);
        }
    }

    /// Files services and targets anew; the elections of services that stay are kept.
    fn index(&mut self) {
        let held = mem::take(&mut self.elections);
        let mut held: Vec<Option<Election>> = held.into_iter().map(Some).collect();
        let old = mem::take(&mut self.places);
        self.asking.clear();
        for (place, service) in self.config.services.iter().enumerate() {
            let before = old.get(&service.name).and_then(|&place| held.get_mut(place)?.take());
            self.elections.push(before.unwrap_or_else(Election::nobody));
            self.places.insert(service.name.clone(), place);
            for target in service.members().filter_map(|server| target(service, server)) {
                let asking = self.asking.entry(target).or_default();
                if asking.last() != Some(&place) {
                    asking.push(place);
                }
            }
        }
        let places = &self.places;
        self.roster.retain(|name| places.contains_key(name));
    }
}

/// What is checked of a server; nothing if it has no check or is disabled.
pub(super) fn target(service: &Service, server: &Server) -> Option<Target> {
    let check = service.check_of(server).filter(|_| server.admin != AdminState::Disabled)?;
    Some(Target::new(server.address, check))
}

/// The addresses of a service's members.
pub(super) fn addresses(service: &Service) -> impl Iterator<Item = IpAddr> {
    service.members().map(|server| server.address.ip())
}

/// Seconds since 1970.
pub(super) fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

fn facts(
    service: &Service,
    server: &Server,
    Surroundings { checks, edits }: Surroundings<'_>,
    wall: u64,
) -> Facts {
    let verdict = |target| checks.verdict(&target).unwrap_or(Verdict::Checking);
    Facts {
        verdict: target(service, server).map(verdict),
        drain_over: server.admin == AdminState::Drained
            && edits.deadline(&service.name, &server.name).is_some_and(|until| until <= wall),
    }
}

#[cfg(test)]
#[path = "running_tests.rs"]
mod tests;
