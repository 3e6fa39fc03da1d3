use super::{
    Observed, Op, PlanError, ServerIdentity,
    pool::Pool,
    runs::Runs,
    survey::{Survey, run},
};
use crate::desired::{self, Desired};
use lb_common::abi::{Server, Service, ServiceKey, Sources, Timeouts, server_flags, service_flags};
use std::collections::{HashMap, HashSet};

pub(super) fn plan(desired: &Desired, observed: &Observed) -> Result<Vec<Op>, PlanError> {
    check_limits(desired, observed)?;
    let mut planner = Planner::new(desired, observed);
    planner.add_links();
    planner.add_sources();
    planner.remove_services();
    for service in &desired.services {
        planner.service(service)?;
    }
    planner.settle();
    planner.remove_links();
    planner.write_sources();
    Ok(planner.ops)
}

fn check_limits(desired: &Desired, observed: &Observed) -> Result<(), PlanError> {
    let services = desired.services.len() as u64;
    let servers = desired.services.iter().map(|service| service.servers.len() as u64).sum();
    let slots = desired.services.iter().map(|service| service.table.len() as u64).sum();
    for (limit, have, need) in [
        ("services", observed.service_capacity, services),
        ("servers", observed.servers.len() as u32, servers),
        ("slots", observed.slots.len() as u32, slots),
    ] {
        if need > u64::from(have) {
            return Err(PlanError::Limit { limit, have, need });
        }
    }
    if desired.links.len() > observed.link_capacity as usize {
        let (have, need) = (observed.link_capacity, desired.links.len());
        return Err(PlanError::Links { have, need });
    }
    Ok(())
}

/// Who answers for the fragments that come for an address and a protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fragments {
    Of(ServiceKey),
    Ambiguous,
}

struct Planner<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    ops: Vec<Op>,
    ids: Pool,
    indexes: Pool,
    runs: Runs,
    /// See [`Survey::sound`].
    sound: HashMap<ServiceKey, Service>,
    /// Indexes of the present servers.
    known: HashMap<ServerIdentity, u32>,
    /// Present servers by the id of a sound service, less those that the plan keeps.
    leaving: HashMap<u32, HashSet<u32>>,
    fragments: HashMap<ServiceKey, Fragments>,
    /// The services map as it is at this point of the plan.
    entries: HashMap<ServiceKey, Service>,
    /// Servers that no table names any more.
    retired: Vec<u32>,
    /// Whether packets in flight may still use what the plan replaced.
    unsettled: bool,
}

impl<'a> Planner<'a> {
    fn new(desired: &'a Desired, observed: &'a Observed) -> Self {
        let survey = Survey::new(observed);
        let mut ids = Pool::new(observed.service_capacity);
        for service in observed.services.values().filter(|service| !is_ambiguous(service)) {
            ids.mark(service.id);
        }
        let mut indexes = Pool::new(observed.servers.len() as u32);
        let mut leaving: HashMap<u32, HashSet<u32>> = HashMap::new();
        for (index, server) in observed.present() {
            ids.mark(server.service);
            indexes.mark(index);
            leaving.entry(server.service).or_default().insert(index);
        }

        // Nobody's servers: an earlier plan was stopped between its steps.
        let owners: HashSet<u32> = survey.sound.values().map(|service| service.id).collect();
        let orphans = leaving.extract_if(|id, _| !owners.contains(id));
        let mut retired: Vec<u32> = orphans.flat_map(|(_, servers)| servers).collect();
        retired.sort_unstable();

        Self {
            desired,
            observed,
            ops: Vec::new(),
            ids,
            indexes,
            runs: Runs::new(observed.slots.len() as u32, survey.used),
            sound: survey.sound,
            known: observed.indexes(),
            leaving,
            fragments: fragments(desired),
            entries: observed.services.clone(),
            unsettled: !retired.is_empty(),
            retired,
        }
    }

    fn service(&mut self, service: &desired::Service) -> Result<(), PlanError> {
        let old = self.sound.get(&service.key).copied();
        let id = match old {
            Some(old) => old.id,
            None => {
                let id = self.take("services", |planner| &mut planner.ids)?;
                self.ops.push(Op::ResetService { id });
                id
            }
        };

        let mut indexes = Vec::with_capacity(service.servers.len());
        for server in &service.servers {
            indexes.push(self.server(id, server, old.is_some())?);
        }
        let slots: Vec<u32> =
            service.table.iter().map(|&position| indexes[position as usize]).collect();
        let unchanged = old.filter(|old| self.observed.table(old) == Some(&slots));
        let mut value = Service {
            id,
            table: unchanged.map_or(0, |old| old.table),
            slots: slots.len() as u32,
            select: service.select as u8,
            flags: service.flags,
            persist_prefix: service.persist_prefix,
            pad: 0,
            timeouts: service.timeouts,
            persist: service.persist,
        };
        if unchanged.is_none() && !slots.is_empty() {
            value.table = self.take_run(value.slots)?;
            self.ops.push(Op::WriteTable { start: value.table, slots });
        }

        self.write_service(service.key, value);
        self.follow_with_fragments(service.key, value);
        if let Some(old) = old {
            if unchanged.is_none() {
                self.retire_run(&old);
            }
            self.retire_servers(old.id);
        }
        Ok(())
    }

    /// The index of a server, which is written first if it is new or differs.
    fn server(
        &mut self,
        service: u32,
        server: &desired::Server,
        may_be_known: bool,
    ) -> Result<u32, PlanError> {
        let identity = (service, server.address, server.port);
        let known = self.known.get(&identity).copied().filter(|_| may_be_known);
        let index = match known {
            Some(index) => index,
            None => self.take("servers", |planner| &mut planner.indexes)?,
        };
        let old = &self.observed.servers[index as usize];
        let value = Server {
            next_hop: server.next_hop,
            address: server.address,
            tunnel_source: server.tunnel_source,
            generation: old.generation.wrapping_add(u32::from(known.is_none())),
            service,
            port: server.port,
            mode: server.mode,
            flags: server.flags,
            weight: server.weight,
            max_connections: server.max_connections,
            pad: 0,
        };
        if known.is_none() {
            self.ops.push(Op::ResetServer { index });
        } else if let Some(leaving) = self.leaving.get_mut(&service) {
            leaving.remove(&index);
        }
        if *old != value {
            self.ops.push(Op::WriteServer { index, value });
        }
        Ok(index)
    }

    /// Follows a service with the entry for its fragments, before anything of its old entry goes.
    fn follow_with_fragments(&mut self, key: ServiceKey, value: Service) {
        match self.fragments.get(&key.for_fragments()) {
            Some(Fragments::Of(one)) if *one == key => {
                self.write_service(key.for_fragments(), value);
            }
            Some(Fragments::Ambiguous) => self.write_service(key.for_fragments(), AMBIGUOUS),
            _ => {}
        }
    }

    fn write_service(&mut self, key: ServiceKey, value: Service) {
        let old = self.entries.insert(key, value);
        if old == Some(value) {
            return;
        }
        self.ops.push(Op::WriteService { key, value });
        self.unsettled |= old.is_some_and(|old| run(&old) != run(&value));
    }

    fn remove_service(&mut self, key: ServiceKey) {
        self.entries.remove(&key);
        self.ops.push(Op::RemoveService { key });
        self.unsettled = true;
    }

    /// Takes down what is not wanted; first the entries for fragments, which point to the same
    /// slots as the services' own.
    fn remove_services(&mut self) {
        let wanted: HashSet<ServiceKey> =
            self.desired.services.iter().map(|service| service.key).collect();
        let observed = self.observed;
        let mut gone: Vec<ServiceKey> =
            observed.services.keys().copied().filter(|key| !wanted.contains(key)).collect();
        gone.sort_unstable_by_key(|key| (key.address.octets(), key.protocol, key.port));

        let ids: HashSet<u32> =
            gone.iter().filter(|key| key.port != 0).map(|key| observed.services[key].id).collect();
        let leads_nowhere = |key: &ServiceKey, entry: &Service| {
            !self.fragments.contains_key(key) || !is_ambiguous(entry) && ids.contains(&entry.id)
        };
        let (fragments, services): (Vec<_>, Vec<_>) =
            gone.into_iter().partition(|key| key.port == 0);
        let fragments: Vec<_> = fragments
            .into_iter()
            .filter(|key| leads_nowhere(key, &observed.services[key]))
            .collect();
        for key in fragments {
            self.remove_service(key);
        }
        for key in services {
            self.remove_service(key);
            if let Some(old) = self.sound.remove(&key) {
                self.retire_run(&old);
                self.retire_servers(old.id);
                self.ids.retire(old.id);
            }
        }
    }

    fn retire_run(&mut self, old: &Service) {
        if old.slots > 0 {
            self.runs.retire(run(old));
        }
    }

    fn retire_servers(&mut self, id: u32) {
        let mut leaving: Vec<u32> = self.leaving.remove(&id).into_iter().flatten().collect();
        leaving.sort_unstable();
        self.unsettled |= !leaving.is_empty();
        self.retired.extend(leaving);
    }

    /// Lets packets in flight pass; what was retired before is free afterwards.
    fn settle(&mut self) {
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        self.ops.push(Op::Settle);
        for index in std::mem::take(&mut self.retired) {
            let old = self.observed.servers[index as usize];
            self.ops.push(Op::WriteServer {
                index,
                value: Server { flags: old.flags & !server_flags::PRESENT, ..old },
            });
            self.indexes.retire(index);
        }
        self.indexes.release();
        self.ids.release();
        self.runs.release();
    }

    fn take(
        &mut self,
        limit: &'static str,
        pool: fn(&mut Self) -> &mut Pool,
    ) -> Result<u32, PlanError> {
        if let Some(number) = pool(self).take() {
            return Ok(number);
        }
        self.settle();
        let pool = pool(self);
        let (have, need) = (pool.capacity(), pool.in_use() + 1);
        pool.take().ok_or(PlanError::Limit { limit, have, need })
    }

    fn take_run(&mut self, length: u32) -> Result<u32, PlanError> {
        if let Some(start) = self.runs.take(length) {
            return Ok(start);
        }
        self.settle();
        let have = self.runs.capacity();
        let need = u64::from(self.runs.in_use()) + u64::from(length);
        self.runs.take(length).ok_or(if need > u64::from(have) {
            PlanError::Limit { limit: "slots", have, need }
        } else {
            PlanError::Fragmented { have, need: length }
        })
    }

    fn add_links(&mut self) {
        for (&ifindex, &value) in &self.desired.links {
            if self.observed.links.get(&ifindex) != Some(&value) {
                self.ops.push(Op::WriteLink { ifindex, value });
            }
        }
    }

    fn remove_links(&mut self) {
        let observed = self.observed.links.keys();
        let gone = observed.filter(|ifindex| !self.desired.links.contains_key(ifindex));
        self.ops.extend(gone.map(|&ifindex| Op::RemoveLink { ifindex }));
    }

    /// Marks the new NAT servers beside the old ones, before the first packet goes to them.
    fn add_sources(&mut self) {
        let both = union(&self.observed.sources, &self.desired.sources);
        if both != self.observed.sources {
            self.ops.push(Op::WriteSources(both));
        }
    }

    /// Leaves only those of the new state marked.
    fn write_sources(&mut self) {
        if union(&self.observed.sources, &self.desired.sources) != self.desired.sources {
            self.ops.push(Op::WriteSources(self.desired.sources.clone()));
        }
    }
}

/// The entry for fragments of an address with several services.
const AMBIGUOUS: Service = Service {
    id: 0,
    table: 0,
    slots: 0,
    select: 0,
    flags: service_flags::AMBIGUOUS,
    persist_prefix: 0,
    pad: 0,
    timeouts: Timeouts::DEFAULT,
    persist: 0,
};

fn is_ambiguous(service: &Service) -> bool {
    service.flags & service_flags::AMBIGUOUS != 0
}

fn fragments(desired: &Desired) -> HashMap<ServiceKey, Fragments> {
    let mut fragments = HashMap::new();
    for service in &desired.services {
        fragments
            .entry(service.key.for_fragments())
            .and_modify(|fragments| *fragments = Fragments::Ambiguous)
            .or_insert(Fragments::Of(service.key));
    }
    fragments
}

fn union(one: &Sources, other: &Sources) -> Box<Sources> {
    let mut both = Box::new(*one);
    for (word, more) in both.words.iter_mut().zip(other.words) {
        *word |= more;
    }
    both
}
