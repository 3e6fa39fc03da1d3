use super::{
    Observed, Op, PlanError, ServerIdentity,
    planner::{self, Planner},
    pool::Pool,
    runs::Runs,
    survey::Survey,
};
use crate::desired::{self, Desired};
use lb_common::abi::{Service, ServiceKey};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What is in use in the maps, filed so that one service's change needs no look at all the others.
///
/// It belongs to one [`Observed`]: planning moves it to where the maps will be once the plan has
/// been carried out. After an error, or if the plan isn't carried out, it is to be thrown away.
pub struct Ledger {
    pub(super) ids: Pool,
    pub(super) indexes: Pool,
    pub(super) runs: Runs,
    /// See [`Survey::sound`].
    pub(super) sound: HashMap<ServiceKey, Service>,
    /// Indexes of the present servers.
    pub(super) known: HashMap<ServerIdentity, u32>,
    /// The present servers of the sound services, by the service's id.
    pub(super) members: HashMap<u32, BTreeSet<u32>>,
    /// Present servers of nobody: an earlier plan was stopped between its steps.
    pub(super) orphans: Vec<u32>,
}

impl Ledger {
    /// Files what the maps hold.
    pub fn new(observed: &Observed) -> Self {
        let survey = Survey::new(observed);
        let mut ids = Pool::new(observed.service_capacity);
        for service in observed.services.values().filter(|one| !planner::is_ambiguous(one)) {
            ids.mark(service.id);
        }
        let mut indexes = Pool::new(observed.servers.len() as u32);
        let mut members: HashMap<u32, BTreeSet<u32>> = HashMap::new();
        for (index, server) in observed.present() {
            ids.mark(server.service);
            indexes.mark(index);
            members.entry(server.service).or_default().insert(index);
        }
        let owners: HashSet<u32> = survey.sound.values().map(|service| service.id).collect();
        let orphans = members.extract_if(|id, _| !owners.contains(id));
        let mut orphans: Vec<u32> = orphans.flat_map(|(_, servers)| servers).collect();
        orphans.sort_unstable();
        Self {
            ids,
            indexes,
            runs: Runs::new(observed.slot_capacity, survey.used),
            sound: survey.sound,
            known: observed.indexes(),
            members,
            orphans,
        }
    }

    /// Plans for everything; see [`super::plan`].
    pub fn plan(&mut self, desired: &Desired, observed: &Observed) -> Result<Vec<Op>, PlanError> {
        planner::check_limits(desired, observed)?;
        Planner::new(self, observed).everything(desired)
    }

    /// Plans for one service that is in the maps, and leaves the others alone; none if it isn't.
    /// What this leaves behind (ends that are no NAT servers any more) goes with the next plan for
    /// everything.
    pub fn change(
        &mut self,
        service: &desired::Service,
        observed: &Observed,
    ) -> Result<Option<Vec<Op>>, PlanError> {
        if !self.sound.contains_key(&service.key) {
            return Ok(None);
        }
        Planner::new(self, observed).one(service).map(Some)
    }

    /// The place of a server in the servers map.
    pub fn index(&self, server: &ServerIdentity) -> Option<u32> {
        self.known.get(server).copied()
    }
}
