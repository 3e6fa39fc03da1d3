//! The data plane against the kernel: needs root, a BPF file system and the built program.

mod common;

use aya::maps::{Array, HashMap, Map, MapData, MapInfo, PerCpuArray};
use common::{in_lab, index, pins::Pins, program_on, wait_for_no_program};
use lb_agent::{
    config::Limits,
    dataplane::{self, Attached, Dataplane, Error},
    desired::{self, Desired},
    plan::{Observed, Op, plan},
};
use lb_common::{
    abi::{
        ABI_VERSION, Address, Flow, FlowKey, Link, NextHop, Select, ServiceKey, Sources, Stats,
        Tags, Timeouts, map, mode, protocol, server_flags,
    },
    api::AttachMode,
    reason::Reason,
};
use rtnetlink::{Handle, LinkUnspec, LinkVeth};
use std::{collections::BTreeMap, fs};
use zerocopy::{FromZeros, transmute};

const LIMITS: Limits =
    Limits { services: 16, servers: 64, slots: 1 << 16, flows: 1 << 14, half_open: 1 << 10 };

fn load(pins: &Pins) -> Dataplane {
    Dataplane::load(&pins.root, &LIMITS, false).expect("the data plane loads")
}

/// Runs a test with a veth pair `lan0` and `peer0`.
fn with_pair(test: impl AsyncFnOnce(Handle) + Send + 'static) {
    in_lab(async |lab| {
        make_pair(&lab.near).await;
        test(lab.near).await;
    });
}

async fn make_pair(netlink: &Handle) {
    let pair = LinkVeth::new("lan0", "peer0").up().build();
    netlink.link().add(pair).execute().await.expect("a veth pair");
}

async fn attach(dataplane: &mut Dataplane, netlink: &Handle, interfaces: &[&str]) -> Vec<Attached> {
    let interfaces: Vec<String> = interfaces.iter().map(|&name| name.to_owned()).collect();
    dataplane.attach(netlink, &interfaces).await.expect("the links can be handled")
}

/// The program is on an interface still.
fn native(interface: &str) -> Attached {
    let mode = AttachMode::Native;
    let interface = interface.to_owned();
    Attached { interface, mode, anew: false, problem: None, below: Vec::new() }
}

/// It was put on only now.
fn anew(interface: &str) -> Attached {
    Attached { anew: true, ..native(interface) }
}

fn desired() -> Desired {
    let server = |last| desired::Server {
        address: Address::from_v4([10, 0, 0, last]),
        port: 80u16.to_be(),
        mode: mode::NAT,
        flags: server_flags::PRESENT,
        weight: 1,
        max_connections: 0,
        next_hop: NextHop { mtu: 1500, ..NextHop::default() },
        tunnel_source: Address::UNSPECIFIED,
    };
    let service = |last| desired::Service {
        key: ServiceKey::new(Address::from_v4([192, 0, 2, last]), 80u16.to_be(), protocol::TCP),
        select: Select::Cursor,
        flags: 0,
        timeouts: Timeouts::DEFAULT,
        persist: 0,
        persist_prefix: 0,
        table: vec![0, 1, 0].into(),
        servers: vec![server(last), server(last + 100)],
    };
    let mut sources = Box::new(Sources::EMPTY);
    sources.insert(&Address::from_v4([10, 0, 0, 1]), 80u16.to_be(), protocol::TCP);
    Desired {
        services: vec![service(1), service(2)],
        links: BTreeMap::from([(7, Link { tags: Tags::NONE, ifindex: 3, pad: 0 })]),
        sources,
    }
}

/// Leads the maps to a state, and checks that they are what the plan's own image says.
fn reach(dataplane: &mut Dataplane, desired: &Desired) -> Observed {
    let mut image = dataplane.observe().expect("the maps can be read");
    for op in plan(desired, &image).expect("there is room") {
        dataplane.apply(&op).expect("the maps can be written");
        image.apply(&op);
    }
    let seen = dataplane.observe().expect("the maps can be read");
    assert_eq!(plan(desired, &seen), Ok(vec![]));
    assert_eq!(seen.services, image.services);
    assert_eq!(seen.servers, image.servers);
    assert_eq!(seen.links, image.links);
    assert_eq!(seen.sources, image.sources);
    seen
}

#[test]
fn what_is_written_is_read_back_and_outlives_the_agent() {
    let pins = Pins::new();
    let mut dataplane = load(&pins);
    assert!(dataplane.warnings().is_empty());
    let wanted = desired();
    let before = reach(&mut dataplane, &wanted);
    drop(dataplane);

    let mut adopted = load(&pins);
    assert_eq!(adopted.observe().expect("the maps can be read"), before);
    reach(&mut adopted, &Desired { services: vec![], ..wanted });
    let after = adopted.observe().expect("the maps can be read");
    assert!(after.services.is_empty());
    assert_eq!(after.present().count(), 0);

    adopted.detach().expect("the pins can be removed");
    assert!(!pins.root.exists());
}

#[test]
fn the_kernel_reads_the_slots_that_were_written() {
    let pins = Pins::new();
    let image = reach(&mut load(&pins), &desired());
    let slots = Map::Array(MapData::from_pin(pins.path(map::SLOTS)).expect("it is pinned"));
    let slots: Array<_, u32> = slots.try_into().expect("an array of slots");
    for service in image.services.values() {
        let range = service.table..service.table + service.slots;
        let seen: Vec<u32> = range.map(|slot| slots.get(&slot, 0).expect("a slot")).collect();
        assert_eq!(Some(&seen[..]), image.table(service));
    }
}

#[test]
fn a_start_that_was_interrupted_is_completed() {
    let pins = Pins::new();
    let mut dataplane = load(&pins);
    let before = reach(&mut dataplane, &desired());
    drop(dataplane);
    for name in ["program", map::FLOWS, map::SERVER_STATS] {
        fs::remove_file(pins.path(name)).expect("the pin is there");
    }
    let dataplane = load(&pins);
    assert_eq!(dataplane.observe().expect("the maps can be read"), before);
    assert!(pins.path("program").exists());
    assert!(pins.path(map::FLOWS).exists());
}

#[test]
fn pinned_maps_keep_their_sizes_and_say_so() {
    let pins = Pins::new();
    drop(load(&pins));
    let other = Limits { flows: LIMITS.flows * 2, services: 1, ..LIMITS };
    let dataplane = Dataplane::load(&pins.root, &other, false).expect("the data plane loads");
    let warnings = dataplane.warnings().join("\n");
    assert_eq!(dataplane.warnings().len(), 2, "{warnings}");
    assert!(warnings.contains("limits.services is 1, but the data plane was loaded with 16"));
    assert!(warnings.contains("limits.flows is 32768, but the data plane was loaded with 16384"));
    assert_eq!(dataplane.observe().expect("the maps can be read").service_capacity, 16);
    let flows = MapInfo::from_pin(pins.path(map::FLOWS)).expect("pinned");
    assert_eq!(flows.max_entries(), LIMITS.flows);
}

#[test]
fn a_pinned_map_of_another_layout_is_refused() {
    let pins = Pins::new();
    let folder = pins.version(ABI_VERSION);
    fs::create_dir_all(&folder).expect("a folder");
    Array::<MapData, u32>::create(4, 0)
        .expect("a map")
        .pin(folder.join(map::SERVERS))
        .expect("a pin");
    match Dataplane::load(&pins.root, &LIMITS, false) {
        Err(error @ Error::Pinned { .. }) => {
            assert!(error.to_string().contains("SERVERS"), "{error}");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("adopted"),
    }
}

#[test]
fn counters_of_other_reasons_are_replaced() {
    let pins = Pins::new();
    fs::create_dir_all(pins.version(ABI_VERSION)).expect("a folder");
    let other = PerCpuArray::<MapData, u64>::create(3, 0).expect("a map");
    other.pin(pins.path(map::REASONS)).expect("a pin");
    load(&pins);
    let reasons = MapInfo::from_pin(pins.path(map::REASONS)).expect("pinned");
    assert_eq!(reasons.max_entries() as usize, Reason::COUNT);
}

type FlowKeyBytes = [u8; size_of::<FlowKey>()];
type FlowBytes = [u8; size_of::<Flow>()];

fn flows_of(pins: &Pins) -> HashMap<MapData, FlowKeyBytes, FlowBytes> {
    let flows = Map::LruHashMap(MapData::from_pin(pins.path(map::FLOWS)).expect("it is pinned"));
    flows.try_into().expect("a map of flows")
}

#[test]
fn flows_are_read_however_many_there_are() {
    const FLOWS: u32 = 10_000;
    let pins = Pins::new();
    let dataplane = load(&pins);
    let mut flows = flows_of(&pins);
    let now = dataplane::now().expect("a clock");
    for number in 0..FLOWS {
        let mut key = FlowKey::new_zeroed();
        key.source = Address::from_v4(number.to_be_bytes());
        let mut flow = Flow::new_zeroed();
        flow.timeout = 50;
        flow.seen = now.wrapping_sub(number % 2 * flow.timeout);
        let (key, flow): (FlowKeyBytes, FlowBytes) = (transmute!(key), transmute!(flow));
        flows.insert(key, flow, 0).expect("room");
    }
    let mut live = 0;
    let visited = dataplane.visit_flows(now, |_, flow| {
        assert_eq!(flow.seen, now);
        live += 1;
    });
    visited.expect("the flows can be read");
    // The kernel may have thrown a few out.
    assert!((FLOWS / 2 - FLOWS / 20..=FLOWS / 2).contains(&live), "{live}");
}

#[test]
fn templates_are_no_flows() {
    let pins = Pins::new();
    let dataplane = load(&pins);
    let mut flows = flows_of(&pins);
    let client = Address::from_v4([192, 0, 2, 7]);
    let packet = FlowKey::of_addresses(client, Address::from_v4([192, 0, 2, 1]), protocol::TCP);
    let mut flow = Flow::new_zeroed();
    (flow.timeout, flow.seen) = (50, dataplane::now().expect("a clock"));
    for key in [packet, packet.template(128)] {
        let (key, flow): (FlowKeyBytes, FlowBytes) = (transmute!(key), transmute!(flow));
        flows.insert(key, flow, 0).expect("room");
    }
    let mut seen = Vec::new();
    dataplane.visit_flows(flow.seen, |key, _| seen.push(*key)).expect("the flows can be read");
    assert_eq!(seen, [packet]);
}

#[test]
fn loads_are_shared_with_the_kernel() {
    let pins = Pins::new();
    let mut dataplane = load(&pins);
    let kernel = Map::Array(MapData::from_pin(pins.path(map::LOADS)).expect("it is pinned"));
    let mut kernel: Array<_, i64> = kernel.try_into().expect("an array of loads");
    let last = LIMITS.servers - 1;
    for server in [0, 1, last] {
        kernel.set(server, i64::from(server) + 5, 0).expect("within the map");
        dataplane.loads().correct(server, -2);
        assert_eq!(dataplane.loads().get(server), i64::from(server) + 3);
        assert_eq!(kernel.get(&server, 0).expect("within the map"), i64::from(server) + 3);
    }
    dataplane.loads().correct(last + 1, 1);
    assert_eq!(dataplane.loads().get(last + 1), 0);
    dataplane.apply(&Op::ResetServer { index: 1 }).expect("it can be reset");
    let left = [0, 1, last].map(|server| dataplane.loads().get(server));
    assert_eq!(left, [3, 0, i64::from(last) + 3]);
}

#[test]
fn counters_start_at_zero() {
    let pins = Pins::new();
    let dataplane = load(&pins);
    assert_eq!(dataplane.service_stats(0).expect("a counter"), Stats::default());
    assert_eq!(dataplane.server_stats(63).expect("a counter"), Stats::default());
    assert!(dataplane.server_stats(64).is_err());
    for &reason in Reason::ALL {
        assert_eq!(dataplane.reason(reason).expect("a counter"), 0);
    }
}

#[test]
fn attaches_adopts_and_detaches() {
    with_pair(async |netlink| {
        let pins = Pins::new();
        let mut first = load(&pins);
        assert_eq!(attach(&mut first, &netlink, &["lan0"]).await, [anew("lan0")]);
        let before = program_on(&netlink, "lan0").await;
        assert!(before.is_some());
        assert_eq!(attach(&mut first, &netlink, &["lan0"]).await, [native("lan0")]);
        assert_eq!(program_on(&netlink, "lan0").await, before, "attached once");
        drop(first);
        assert_eq!(program_on(&netlink, "lan0").await, before, "the link is pinned");

        let mut second = load(&pins);
        assert_eq!(program_on(&netlink, "lan0").await, before, "not before attach");
        let attached = attach(&mut second, &netlink, &["lan0", "peer0"]).await;
        assert_eq!(attached, [native("lan0"), anew("peer0")]);
        let after = program_on(&netlink, "lan0").await;
        assert!(after.is_some() && after != before, "the new program is on the link");

        attach(&mut second, &netlink, &["lan0"]).await;
        wait_for_no_program(&netlink, "peer0").await;
        second.detach().expect("the pins can be removed");
        wait_for_no_program(&netlink, "lan0").await;
        assert!(!pins.root.exists());
    });
}

#[test]
fn an_interface_that_was_made_anew_is_attached_again() {
    with_pair(async |netlink| {
        let pins = Pins::new();
        let mut dataplane = load(&pins);
        attach(&mut dataplane, &netlink, &["lan0"]).await;
        let index = index(&netlink, "lan0").await;
        netlink.link().del(index).execute().await.expect("it can be deleted");
        let attached = attach(&mut dataplane, &netlink, &["lan0"]).await;
        assert_eq!(attached[0].mode, AttachMode::Detached);
        assert_eq!(attached[0].problem.as_deref(), Some("there is no interface lan0"));

        make_pair(&netlink).await;
        assert_eq!(attach(&mut dataplane, &netlink, &["lan0"]).await, [anew("lan0")]);
        assert!(program_on(&netlink, "lan0").await.is_some());
    });
}

#[test]
fn an_interface_that_was_renamed_is_given_up() {
    with_pair(async |netlink| {
        let pins = Pins::new();
        let mut dataplane = load(&pins);
        attach(&mut dataplane, &netlink, &["lan0"]).await;
        rename(&netlink, "lan0", "old0").await;
        rename(&netlink, "peer0", "lan0").await;
        assert_eq!(attach(&mut dataplane, &netlink, &["lan0"]).await, [anew("lan0")]);
        assert!(program_on(&netlink, "lan0").await.is_some());
        wait_for_no_program(&netlink, "old0").await;
    });
}

async fn rename(netlink: &Handle, from: &str, to: &str) {
    let index = index(netlink, from).await;
    for change in [
        LinkUnspec::new_with_index(index).down().build(),
        LinkUnspec::new_with_index(index).name(to.to_owned()).build(),
        LinkUnspec::new_with_index(index).up().build(),
    ] {
        netlink.link().set(change).execute().await.expect("it can be changed");
    }
}

#[test]
fn the_link_of_another_version_is_taken_over() {
    with_pair(async |netlink| {
        let pins = Pins::new();
        let mut old = load(&pins);
        attach(&mut old, &netlink, &["lan0"]).await;
        drop(old);
        let before = program_on(&netlink, "lan0").await;
        fs::rename(pins.version(ABI_VERSION), pins.version(ABI_VERSION + 1)).expect("renamed");

        let mut new = load(&pins);
        assert_eq!(attach(&mut new, &netlink, &["lan0"]).await, [native("lan0")]);
        drop(new);
        let after = program_on(&netlink, "lan0").await;
        assert!(after.is_some() && after != before);
        assert!(!pins.version(ABI_VERSION + 1).exists());
        assert!(pins.path("link-lan0").exists());
    });
}

#[test]
fn a_strangers_program_is_left_alone() {
    with_pair(async |netlink| {
        let (stranger, pins) = (Pins::new(), Pins::new());
        attach(&mut load(&stranger), &netlink, &["lan0"]).await;
        let before = program_on(&netlink, "lan0").await;
        let attached = attach(&mut load(&pins), &netlink, &["lan0"]).await;
        assert_eq!(attached[0].mode, AttachMode::Detached);
        let problem = attached[0].problem.as_deref().unwrap_or_default();
        assert!(problem.contains("another XDP program"), "{problem}");
        assert_eq!(program_on(&netlink, "lan0").await, before);
    });
}
