use super::{Ledger, Observed, Op, PlanError, pool::Pool, survey::run};
use crate::desired::{self, Desired};
use lb_common::abi::{
    Server, Service, ServiceKey, Sources, Timeouts, mode, server_flags, service_flags,
};
use std::collections::{BTreeSet, HashMap, HashSet};

pub(super) fn check_limits(desired: &Desired, observed: &Observed) -> Result<(), PlanError> {
    let services = desired.services.len() as u64;
    let servers = desired.services.iter().map(|service| service.servers.len() as u64).sum();
    let slots = desired.services.iter().map(|service| service.table.len() as u64).sum();
    for (limit, have, need) in [
        ("services", observed.service_capacity, services),
        ("servers", observed.servers.len() as u32, servers),
        ("slots", observed.slot_capacity, slots),
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

/// A plan in the making.
pub(super) struct Planner<'a> {
    ledger: &'a mut Ledger,
    observed: &'a Observed,
    ops: Vec<Op>,
    fragments: HashMap<ServiceKey, Fragments>,
    /// What the plan has changed in the services map so far.
    entries: HashMap<ServiceKey, Option<Service>>,
    /// Servers that no table names any more.
    retired: Vec<u32>,
    /// Whether packets in flight may still use what the plan replaced.
    unsettled: bool,
}

impl<'a> Planner<'a> {
    pub(super) fn new(ledger: &'a mut Ledger, observed: &'a Observed) -> Self {
        let retired = std::mem::take(&mut ledger.orphans);
        Self {
            ledger,
            observed,
            ops: Vec::new(),
            fragments: HashMap::new(),
            entries: HashMap::new(),
            unsettled: !retired.is_empty(),
            retired,
        }
    }

    /// The plan for all services and links.
    pub(super) fn everything(mut self, desired: &Desired) -> Result<Vec<Op>, PlanError> {
        self.fragments = fragments(desired);
        self.add_links(desired);
        self.mark_sources(&desired.sources);
        self.remove_services(desired);
        for service in &desired.services {
            self.service(service)?;
        }
        self.settle();
        self.remove_links(desired);
        self.unmark_sources(&desired.sources);
        Ok(self.ops)
    }

    /// The plan for one service whose entries stay where they are.
    pub(super) fn one(mut self, service: &desired::Service) -> Result<Vec<Op>, PlanError> {
        let key = service.key.for_fragments();
        let id = self.ledger.sound.get(&service.key).map(|entry| entry.id);
        let entry = self.observed.services.get(&key);
        if entry.is_some_and(|entry| !is_ambiguous(entry) && Some(entry.id) == id) {
            self.fragments.insert(key, Fragments::Of(service.key));
        }
        let mut sources = Sources::EMPTY;
        for server in service.servers.iter().filter(|server| server.mode == mode::NAT) {
            sources.insert(&server.address, server.port, service.key.protocol);
        }
        self.mark_sources(&sources);
        self.service(service)?;
        self.settle();
        Ok(self.ops)
    }

    fn service(&mut self, service: &desired::Service) -> Result<(), PlanError> {
        let old = self.ledger.sound.get(&service.key).copied();
        let id = match old {
            Some(old) => old.id,
            None => {
                let id = self.take("services", |ledger| &mut ledger.ids)?;
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
        self.ledger.sound.insert(service.key, value);
        if let Some(old) = old.filter(|_| unchanged.is_none()) {
            self.retire_run(&old);
        }
        self.retire_servers(id, indexes.into_iter().collect());
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
        let known = self.ledger.index(&identity).filter(|_| may_be_known);
        let index = match known {
            Some(index) => index,
            None => self.take("servers", |ledger| &mut ledger.indexes)?,
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
            self.ledger.known.insert(identity, index);
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
        let old = match self.entries.insert(key, Some(value)) {
            Some(planned) => planned,
            None => self.observed.services.get(&key).copied(),
        };
        if old == Some(value) {
            return;
        }
        self.ops.push(Op::WriteService { key, value });
        self.unsettled |= old.is_some_and(|old| run(&old) != run(&value));
    }

    fn remove_service(&mut self, key: ServiceKey) {
        self.entries.insert(key, None);
        self.ops.push(Op::RemoveService { key });
        self.unsettled = true;
    }

    /// Takes down what is not wanted; first the entries for fragments, which point to the same
    /// slots as the services' own.
    fn remove_services(&mut self, desired: &Desired) {
        let wanted: HashSet<ServiceKey> =
            desired.services.iter().map(|service| service.key).collect();
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
            if let Some(old) = self.ledger.sound.remove(&key) {
                self.retire_run(&old);
                self.retire_servers(old.id, BTreeSet::new());
                self.ledger.ids.retire(old.id);
            }
        }
    }

    fn retire_run(&mut self, old: &Service) {
        if old.slots > 0 {
            self.ledger.runs.retire(run(old));
        }
    }

    /// Leaves a service these servers, and nobody else.
    fn retire_servers(&mut self, id: u32, stay: BTreeSet<u32>) {
        let before = self.ledger.members.remove(&id).unwrap_or_default();
        for &index in before.difference(&stay) {
            let server = &self.observed.servers[index as usize];
            let identity = (server.service, server.address, server.port);
            if self.ledger.index(&identity) == Some(index) {
                self.ledger.known.remove(&identity);
            }
            self.retired.push(index);
            self.unsettled = true;
        }
        if !stay.is_empty() {
            self.ledger.members.insert(id, stay);
        }
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
            self.ledger.indexes.retire(index);
        }
        self.ledger.indexes.release();
        self.ledger.ids.release();
        self.ledger.runs.release();
    }

    fn take(
        &mut self,
        limit: &'static str,
        pool: fn(&mut Ledger) -> &mut Pool,
    ) -> Result<u32, PlanError> {
        if let Some(number) = pool(self.ledger).take() {
            return Ok(number);
        }
        self.settle();
        let pool = pool(self.ledger);
        let (have, need) = (pool.capacity(), pool.in_use() + 1);
        pool.take().ok_or(PlanError::Limit { limit, have, need })
    }

    fn take_run(&mut self, length: u32) -> Result<u32, PlanError> {
        if let Some(start) = self.ledger.runs.take(length) {
            return Ok(start);
        }
        self.settle();
        let runs = &mut self.ledger.runs;
        let have = runs.capacity();
        let need = u64::from(runs.in_use()) + u64::from(length);
        runs.take(length).ok_or(if need > u64::from(have) {
            PlanError::Limit { limit: "slots", have, need }
        } else {
            PlanError::Fragmented { have, need: length }
        })
    }

    fn add_links(&mut self, desired: &Desired) {
        for (&ifindex, &value) in &desired.links {
            if self.observed.links.get(&ifindex) != Some(&value) {
                self.ops.push(Op::WriteLink { ifindex, value });
            }
        }
    }

    fn remove_links(&mut self, desired: &Desired) {
        let observed = self.observed.links.keys();
        let gone = observed.filter(|ifindex| !desired.links.contains_key(ifindex));
        self.ops.extend(gone.map(|&ifindex| Op::RemoveLink { ifindex }));
    }

    /// Marks the new NAT servers beside the old ones, before the first packet goes to them.
    fn mark_sources(&mut self, sources: &Sources) {
        let both = union(&self.observed.sources, sources);
        if both != self.observed.sources {
            self.ops.push(Op::WriteSources(both));
        }
    }

    /// Leaves only these marked.
    fn unmark_sources(&mut self, sources: &Sources) {
        if *union(&self.observed.sources, sources) != *sources {
            self.ops.push(Op::WriteSources(Box::new(*sources)));
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

pub(super) fn is_ambiguous(service: &Service) -> bool {
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
