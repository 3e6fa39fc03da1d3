use crate::{
    config::{Config, Server, Service},
    health::{Checks, check::Check},
    standing::{Election, Facts, Roster, Standing},
    state::Edits,
};
use lb_common::api::{AdminState, Verdict};
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// What runs: the file with the operators' edits, and who serves each service.
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

/// What is checked, and how.
pub(super) type Target = (SocketAddr, Arc<Check>);

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

    /// Takes a new file. Elections are due.
    pub(super) fn replace(&mut self, file: Config, edits: &Edits) -> Config {
        let old = std::mem::replace(&mut self.file, file);
        self.apply(edits);
        old
    }

    /// Applies the edits to the file. Elections are due.
    pub(super) fn apply(&mut self, edits: &Edits) {
        let applied = edits.apply(&self.file);
        self.config = applied.config;
        self.conflicts = applied.conflicts;
        self.index();
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
        match self.elections.get_mut(place) {
            Some(last) => Some(std::mem::replace(last, election)),
            None => {
                self.elections.push(election);
                None
            }
        }
    }

    /// When the next slow start goes on, and of which services.
    pub(super) fn due(&self) -> Option<Instant> {
        self.elections.iter().filter_map(|election| election.again).min()
    }

    /// The services whose election is due at `now`.
    pub(super) fn due_at(&self, now: Instant) -> Vec<usize> {
        let is_due = |election: &Election| election.again.is_some_and(|again| again <= now);
        (0..).zip(&self.elections).filter(|(_, one)| is_due(one)).map(|(place, _)| place).collect()
    }

    /// Files services and targets anew; the elections of services that stay are kept.
    fn index(&mut self) {
        let old = std::mem::take(&mut self.places);
        let mut held = std::mem::take(&mut self.elections);
        let mut kept: HashMap<String, Election> = HashMap::new();
        for (name, place) in old {
            if let Some(election) = held.get_mut(place) {
                let nothing = Election::nobody();
                kept.insert(name, std::mem::replace(election, nothing));
            }
        }
        self.asking.clear();
        for (place, service) in self.config.services.iter().enumerate() {
            self.places.insert(service.name.clone(), place);
            self.elections.push(kept.remove(&service.name).unwrap_or_else(Election::nobody));
            for target in service.members().filter_map(|server| target(service, server)) {
                let asking = self.asking.entry(target).or_default();
                if asking.last() != Some(&place) {
                    asking.push(place);
                }
            }
        }
        let names: HashSet<&str> = self.places.keys().map(String::as_str).collect();
        self.roster.retain(|name| names.contains(name));
    }
}

/// What is checked of a server; nothing if it has no check or is disabled.
pub(super) fn target(service: &Service, server: &Server) -> Option<Target> {
    let check = service.check_of(server).filter(|_| server.admin != AdminState::Disabled)?;
    Some((check.target(server.address), check.clone()))
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
    Facts {
        verdict: target(service, server).map(|(address, check)| {
            checks.verdict(address, &check).unwrap_or(match check.initial {
                Verdict::Up => Verdict::Up,
                Verdict::Down | Verdict::Checking => Verdict::Checking,
            })
        }),
        drain_over: server.admin == AdminState::Drained
            && edits.deadline(&service.name, &server.name).is_some_and(|until| until <= wall),
    }
}
