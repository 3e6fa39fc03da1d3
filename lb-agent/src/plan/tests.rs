//! Plans are carried out on a model that knows which slots and servers packets may still use.

use super::*;
use crate::{
    desired::{self, Desired},
    schedule::{self, Candidate},
};
use lb_common::{
    abi::{
        Address, Macs, NextHop, Select, Tags, Timeouts, mode, protocol, server_flags, service_flags,
    },
    api::Scheduler,
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};
use zerocopy::FromZeros;

const CAPACITY: u32 = 64;

fn empty(services: u32, servers: u32, slots: u32) -> Observed {
    Observed {
        service_capacity: services,
        services: HashMap::new(),
        servers: vec![Server::new_zeroed(); servers as usize],
        slot_capacity: slots,
        slots: Vec::new(),
        link_capacity: 8,
        links: BTreeMap::new(),
        sources: Box::new(Sources::EMPTY),
    }
}

/// The maps, and the entries that a packet in flight may have read.
struct Model {
    maps: Observed,
    seen: Vec<(ServiceKey, Service, Vec<u32>)>,
}

impl Model {
    fn new(maps: Observed) -> Self {
        let mut model = Self { maps, seen: Vec::new() };
        model.look();
        model
    }

    fn look(&mut self) {
        self.seen = self
            .maps
            .services
            .iter()
            .map(|(key, service)| {
                (*key, *service, self.maps.table(service).expect("in the map").to_vec())
            })
            .collect();
    }

    /// Does an operation, and checks that no packet can see half of anything.
    fn apply(&mut self, op: &Op) {
        self.maps.apply(op);
        match op {
            Op::Settle => self.look(),
            Op::WriteService { key, value } => {
                let table = self.maps.table(value).expect("in the map").to_vec();
                self.seen.push((*key, *value, table));
            }
            _ => {}
        }
        for (key, service, table) in &self.seen {
            assert_eq!(
                self.maps.table(service),
                Some(&table[..]),
                "{key:?}: table changed by {op:?}"
            );
            for &index in table {
                let server = &self.maps.servers[index as usize];
                assert_ne!(
                    server.flags & server_flags::PRESENT,
                    0,
                    "{key:?}: server gone by {op:?}"
                );
                assert_eq!(server.service, service.id, "{key:?}: another's server by {op:?}");
            }
        }
    }

    fn reach(&mut self, desired: &Desired) -> Vec<Op> {
        let ops = plan(desired, &self.maps).expect("there is room");
        for op in &ops {
            self.apply(op);
        }
        assert_holds(&self.maps, desired);
        assert_eq!(plan(desired, &self.maps), Ok(vec![]), "the same plan again");
        ops
    }
}

/// The maps say what is desired, and nothing else.
fn assert_holds(maps: &Observed, desired: &Desired) {
    assert_eq!(maps.links, desired.links);
    assert_eq!(maps.sources, desired.sources);
    let servers: usize = desired.services.iter().map(|service| service.servers.len()).sum();
    assert_eq!(maps.present().count(), servers);

    let mut fragments: HashMap<ServiceKey, Vec<Service>> = HashMap::new();
    for service in &desired.services {
        let entry = maps.services[&service.key];
        fragments.entry(service.key.for_fragments()).or_default().push(entry);
        assert_eq!(entry.select, service.select as u8);
        assert_eq!(entry.timeouts, service.timeouts);
        assert_eq!(entry.flags, service.flags);
        assert_eq!(entry.persist, service.persist);
        assert_eq!(entry.persist_prefix, service.persist_prefix);
        let table = maps.table(&entry).expect("in the map");
        assert_eq!(table.len(), service.table.len());
        for (&index, &position) in table.iter().zip(&*service.table) {
            let (written, wanted) =
                (&maps.servers[index as usize], &service.servers[position as usize]);
            assert_eq!(written.address, wanted.address);
            assert_eq!(written.port, wanted.port);
        }
        let written = maps.indexes();
        for server in &service.servers {
            let written = maps.servers[written[&(entry.id, server.address, server.port)] as usize];
            assert_eq!(written.mode, server.mode);
            assert_eq!(written.flags, server.flags);
            assert_eq!(written.weight, server.weight);
            assert_eq!(written.max_connections, server.max_connections);
            assert_eq!(written.next_hop, server.next_hop);
            assert_eq!(written.tunnel_source, server.tunnel_source);
        }
    }
    assert_eq!(maps.services.len(), desired.services.len() + fragments.len());
    for (key, of) in fragments {
        match of[..] {
            [one] => assert_eq!(maps.services[&key], one),
            _ => assert_eq!(maps.services[&key].flags, service_flags::AMBIGUOUS),
        }
    }
}

fn key(address: u8, port: u16) -> ServiceKey {
    ServiceKey::new(Address::from_v4([192, 0, 2, address]), port.to_be(), protocol::TCP)
}

/// A service whose servers are given by their last octets and weights.
fn service(key: ServiceKey, scheduler: Scheduler, servers: &[(u8, u32)]) -> desired::Service {
    let candidates: Vec<Candidate> = servers
        .iter()
        .map(|&(last, weight)| Candidate {
            address: SocketAddr::from(([10, 0, 0, last], 80)),
            weight,
        })
        .collect();
    desired::Service {
        key,
        select: Select::Cursor,
        flags: 0,
        timeouts: Timeouts::DEFAULT,
        persist: 0,
        persist_prefix: 0,
        table: schedule::table(scheduler, Some(11), &candidates).into(),
        servers: candidates
            .iter()
            .map(|candidate| desired::Server {
                address: candidate.address.ip().into(),
                port: candidate.address.port().to_be(),
                mode: mode::NAT,
                flags: server_flags::PRESENT,
                weight: candidate.weight,
                max_connections: 0,
                next_hop: NextHop { mtu: 1500, ..NextHop::default() },
                tunnel_source: Address::UNSPECIFIED,
            })
            .collect(),
    }
}

fn desired(services: Vec<desired::Service>) -> Desired {
    let mut sources = Box::new(Sources::EMPTY);
    for server in services.iter().flat_map(|service| &service.servers) {
        sources.insert(&server.address, server.port, protocol::TCP);
    }
    Desired { services, links: BTreeMap::new(), sources }
}

fn any_service(key: ServiceKey) -> impl Strategy<Value = desired::Service> {
    let scheduler = prop::sample::select(Scheduler::ALL);
    let servers = prop::sample::subsequence((1..=6u8).collect::<Vec<_>>(), 0..=6);
    let weights = prop::collection::vec(0u32..4, 6);
    let timeout = prop_oneof![Just(60), Just(90)];
    let macs = prop::collection::vec(0u8..3, 6);
    let limits = prop::collection::vec(0u32..2, 6);
    let extras = (0u8..4, prop_oneof![Just((0, 0)), Just((60, 120)), Just((90, 64))], limits);
    (scheduler, servers.prop_shuffle(), weights, timeout, macs, extras).prop_map(
        move |(scheduler, servers, weights, syn, macs, (flags, persist, limits))| {
            let servers: Vec<_> = servers.into_iter().zip(weights).collect();
            let mut service = service(key, scheduler, &servers);
            service.timeouts.syn = syn;
            service.flags = flags << 1;
            (service.persist, service.persist_prefix) = persist;
            for (server, mac) in service.servers.iter_mut().zip(macs) {
                server.next_hop.macs = Macs::new([mac; 6], [1; 6]);
            }
            for (server, limit) in service.servers.iter_mut().zip(limits) {
                server.max_connections = limit;
                if server.weight == 0 {
                    server.flags |= server_flags::LEAVING;
                }
            }
            service
        },
    )
}

fn any_state() -> impl Strategy<Value = Desired> {
    let keys: Vec<_> =
        (1..=3).flat_map(|address| [80, 81].map(|port| key(address, port))).collect();
    let services = prop::sample::subsequence(keys, 0..=6)
        .prop_flat_map(|keys| keys.into_iter().map(any_service).collect::<Vec<_>>())
        .prop_shuffle();
    let links = prop::collection::btree_map(
        1u32..5,
        (1u32..3).prop_map(|ifindex| Link { tags: Tags::NONE, ifindex, pad: 0 }),
        0..4,
    );
    (services, links).prop_map(|(services, links)| Desired { links, ..desired(services) })
}

mod kept;

proptest! {
    #[test]
    fn any_state_leads_to_any_other(states in prop::collection::vec(any_state(), 1..4)) {
        let mut model = Model::new(empty(CAPACITY, 2 * CAPACITY, 1024));
        for state in &states {
            model.reach(state);
        }
    }

    #[test]
    fn a_plan_may_be_stopped_anywhere(
        from in any_state(),
        half in any_state(),
        to in any_state(),
        stop in any::<prop::sample::Index>(),
    ) {
        let mut model = Model::new(empty(CAPACITY, 2 * CAPACITY, 1024));
        model.reach(&from);
        let ops = plan(&half, &model.maps).expect("there is room");
        for op in ops.iter().take(stop.index(ops.len() + 1)) {
            model.apply(op);
        }
        // The next agent starts: no packet is in flight any more.
        let mut model = Model::new(model.maps);
        model.reach(&to);
    }

    #[test]
    fn little_room_is_enough_if_what_goes_makes_way(from in any_state(), to in any_state()) {
        let room = |of: &dyn Fn(&desired::Service) -> usize| {
            let total = |state: &Desired| state.services.iter().map(of).sum::<usize>();
            let most = |state: &Desired| state.services.iter().map(of).max().unwrap_or(0);
            (total(&from).max(total(&to)) + most(&from).max(most(&to))) as u32
        };
        let servers = room(&|service| service.servers.len());
        let slots = room(&|service| service.table.len());
        let mut model = Model::new(empty(6, servers, slots));
        model.reach(&from);
        // Room that lies in pieces, or is given up too late, is refused before anything changes.
        if let Ok(ops) = plan(&to, &model.maps) {
            for op in &ops {
                model.apply(op);
            }
            assert_holds(&model.maps, &to);
        }
    }

    #[test]
    fn nonsense_in_the_maps_is_repaired(
        from in any_state(),
        to in any_state(),
        noise in prop::collection::vec((any::<prop::sample::Index>(), 0u32..80, 0u32..1200, 0u32..20), 1..4),
    ) {
        let mut maps = Model::new(empty(CAPACITY, 2 * CAPACITY, 1024));
        maps.reach(&from);
        let mut maps = maps.maps;
        let mut keys: Vec<_> = maps.services.keys().copied().collect();
        keys.sort_unstable_by_key(|key| (key.address.octets(), key.port));
        for (which, id, table, slots) in noise {
            if let Some(entry) = (!keys.is_empty())
                .then(|| which.get(&keys))
                .and_then(|key| maps.services.get_mut(key))
            {
                (entry.id, entry.table, entry.slots) = (id, table, slots);
            }
            maps.servers[which.index(2 * CAPACITY as usize)].service = id;
        }
        // As one reads it: up to the last slot that an entry names.
        maps.slots.resize(1024, 0);
        for op in plan(&to, &maps).expect("there is room") {
            maps.apply(&op);
        }
        assert_holds(&maps, &to);
        prop_assert_eq!(plan(&to, &maps), Ok(vec![]));
    }
}

#[test]
fn servers_go_in_before_the_service_that_names_them() {
    let mut model = Model::new(empty(4, 8, 64));
    let ops = model.reach(&desired(vec![service(key(1, 80), Scheduler::Rr, &[(1, 1), (2, 1)])]));
    let kinds: Vec<String> = ops
        .iter()
        .map(|op| format!("{op:?}").split([' ', '(']).next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        kinds.join(" "),
        "WriteSources ResetService ResetServer WriteServer ResetServer WriteServer WriteTable \
         WriteService WriteService"
    );
}

#[test]
fn what_exists_keeps_its_place() {
    let mut model = Model::new(empty(4, 8, 64));
    model.reach(&desired(vec![
        service(key(1, 80), Scheduler::Rr, &[(1, 1), (2, 1)]),
        service(key(2, 80), Scheduler::Rr, &[(1, 1)]),
    ]));
    let before = model.maps.clone();

    // Another order, a server less, one more, one service less: a new MAC is one write.
    let mut kept = service(key(2, 80), Scheduler::Rr, &[(3, 1), (1, 1)]);
    kept.servers[1].next_hop.macs = Macs::new([7; 6], [1; 6]);
    model.reach(&desired(vec![kept]));
    let (old, new) = (before.services[&key(2, 80)], model.maps.services[&key(2, 80)]);
    assert_eq!(old.id, new.id);
    let identity = (old.id, Address::from_v4([10, 0, 0, 1]), 80u16.to_be());
    assert_eq!(before.indexes()[&identity], model.maps.indexes()[&identity]);
    let index = before.indexes()[&identity] as usize;
    assert_eq!(model.maps.servers[index].generation, before.servers[index].generation);
}

#[test]
fn a_change_of_a_next_hop_is_one_write() {
    let mut model = Model::new(empty(4, 8, 64));
    let mut one = service(key(1, 80), Scheduler::Mh, &[(1, 1), (2, 1)]);
    model.reach(&desired(vec![one.clone()]));
    one.servers[0].next_hop.macs = Macs::new([9; 6], [1; 6]);
    let ops = model.reach(&desired(vec![one]));
    assert!(matches!(ops[..], [Op::WriteServer { .. }]), "{ops:?}");
}

#[test]
fn a_change_of_a_weight_or_limit_alone_is_one_write() {
    let mut model = Model::new(empty(4, 8, 64));
    for scheduler in [Scheduler::Lc, Scheduler::Wlc, Scheduler::Sed, Scheduler::Nq] {
        model.reach(&desired(vec![service(key(1, 80), scheduler, &[(1, 1), (2, 1)])]));
        let mut heavier = service(key(1, 80), scheduler, &[(1, 9), (2, 1)]);
        let ops = model.reach(&desired(vec![heavier.clone()]));
        assert!(matches!(ops[..], [Op::WriteServer { .. }]), "{ops:?}");
        heavier.servers[1].max_connections = 100;
        let ops = model.reach(&desired(vec![heavier]));
        assert!(matches!(ops[..], [Op::WriteServer { .. }]), "{ops:?}");
    }
}

#[test]
fn an_index_used_again_has_a_new_generation_and_no_counts() {
    let mut model = Model::new(empty(4, 1, 64));
    model.reach(&desired(vec![service(key(1, 80), Scheduler::Rr, &[(1, 1)])]));
    assert_eq!(model.maps.servers[0].generation, 1);
    let ops = model.reach(&desired(vec![service(key(2, 80), Scheduler::Rr, &[(2, 1)])]));
    assert_eq!(model.maps.servers[0].generation, 2);
    assert!(ops.contains(&Op::ResetServer { index: 0 }));
    assert!(ops.contains(&Op::Settle));
}

#[test]
fn limits_are_named() {
    let maps = empty(2, 4, 16);
    let limit = |services: Vec<_>| match plan(&desired(services), &maps) {
        Err(PlanError::Limit { limit, have, need }) => (limit, have, need),
        other => panic!("{other:?}"),
    };
    let one = |address, servers: &[(u8, u32)]| service(key(address, 80), Scheduler::Wrr, servers);
    assert_eq!(limit(vec![one(1, &[]), one(2, &[]), one(3, &[])]), ("services", 2, 3));
    let five: Vec<_> = (1..=5).map(|last| (last, 1)).collect();
    assert_eq!(limit(vec![one(1, &five)]), ("servers", 4, 5));
    assert_eq!(limit(vec![one(1, &[(1, 9), (2, 8)])]), ("slots", 16, 17));
}

#[test]
fn a_change_that_needs_more_room_than_there_is_changes_nothing() {
    let mut model = Model::new(empty(2, 3, 16));
    model.reach(&desired(vec![service(key(1, 80), Scheduler::Rr, &[(1, 1), (2, 1)])]));
    let other = desired(vec![service(key(1, 80), Scheduler::Rr, &[(3, 1), (4, 1)])]);
    let error = PlanError::Limit { limit: "servers", have: 3, need: 4 };
    assert_eq!(plan(&other, &model.maps), Err(error));
}
