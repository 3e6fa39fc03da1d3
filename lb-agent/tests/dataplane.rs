//! The data plane against the kernel: needs root, a BPF file system and the built program.

use aya::maps::{Array, HashMap, Map, MapData, MapInfo, PerCpuArray};
use futures_util::TryStreamExt;
use lb_agent::{
    config::Limits,
    dataplane::{self, Attached, DEFAULT_ROOT, Dataplane, Error},
    desired::{self, Desired},
    plan::{Observed, plan},
};
use lb_common::{
    abi::{
        ABI_VERSION, Address, Flow, FlowKey, Link, NextHop, Select, ServiceKey, Sources, Stats,
        Tags, Timeouts, map, mode, protocol, server_flags,
    },
    api::AttachMode,
    reason::Reason,
};
use nix::sched::{CloneFlags, unshare};
use rtnetlink::{
    Handle, LinkUnspec, LinkVeth,
    packet_route::link::{LinkAttribute, LinkMessage, LinkXdp},
};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};
use zerocopy::{FromZeros, transmute};

const LIMITS: Limits =
    Limits { services: 16, servers: 64, slots: 1 << 16, flows: 1 << 14, half_open: 1 << 10 };

/// A folder of the BPF file system that is removed with everything in it.
struct Root(PathBuf);

impl Root {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(format!("{DEFAULT_ROOT}-test-{}-{number}", std::process::id()).into())
    }

    fn version(&self, version: u32) -> PathBuf {
        self.0.join(format!("v{version}"))
    }

    fn pin(&self, name: &str) -> PathBuf {
        self.version(ABI_VERSION).join(name)
    }

    fn load(&self) -> Dataplane {
        Dataplane::load(&self.0, &LIMITS).expect("the data plane loads")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a test in a network namespace of its own, with a veth pair `lan0` and `peer0`.
fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce(Handle) -> F + Send + 'static) {
    let result = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (connection, netlink, _) = rtnetlink::new_connection().unwrap();
            tokio::spawn(connection);
            make_pair(&netlink).await;
            test(netlink).await;
        });
    })
    .join();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

async fn make_pair(netlink: &Handle) {
    let pair = LinkVeth::new("lan0", "peer0").up().build();
    netlink.link().add(pair).execute().await.expect("a veth pair");
}

async fn attach(dataplane: &mut Dataplane, netlink: &Handle, interfaces: &[&str]) -> Vec<Attached> {
    let interfaces: Vec<String> = interfaces.iter().map(|&name| name.to_owned()).collect();
    dataplane.attach(netlink, &interfaces).await.expect("the links can be handled")
}

fn native(interface: &str) -> Attached {
    Attached { interface: interface.to_owned(), mode: AttachMode::Native, problem: None }
}

async fn look_up(netlink: &Handle, interface: &str) -> LinkMessage {
    let mut links = netlink.link().get().match_name(interface.to_owned()).execute();
    links.try_next().await.expect("an answer").expect("the interface")
}

/// The program on an interface, as the kernel tells anyone.
async fn program_on(netlink: &Handle, interface: &str) -> Option<u32> {
    let attributes = look_up(netlink, interface).await.attributes;
    attributes.into_iter().find_map(|attribute| match attribute {
        LinkAttribute::Xdp(xdp) => xdp.into_iter().find_map(|xdp| match xdp {
            LinkXdp::ProgId(id) => Some(id),
            _ => None,
        }),
        _ => None,
    })
}

/// The kernel releases a link in the background.
async fn wait_for_no_program(netlink: &Handle, interface: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while program_on(netlink, interface).await.is_some() {
        assert!(Instant::now() < deadline, "{interface} still has a program");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn desired() -> Desired {
    let server = |last| desired::Server {
        address: Address::from_v4([10, 0, 0, last]),
        port: 80u16.to_be(),
        mode: mode::NAT,
        flags: server_flags::PRESENT,
        next_hop: NextHop { mtu: 1500, ..NextHop::default() },
        tunnel_source: Address::UNSPECIFIED,
    };
    let service = |last| desired::Service {
        key: ServiceKey::new(Address::from_v4([192, 0, 2, last]), 80u16.to_be(), protocol::TCP),
        select: Select::Cursor,
        timeouts: Timeouts::DEFAULT,
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
    let root = Root::new();
    let mut dataplane = root.load();
    assert!(dataplane.warnings().is_empty());
    let wanted = desired();
    let before = reach(&mut dataplane, &wanted);
    drop(dataplane);

    let mut adopted = root.load();
    assert_eq!(adopted.observe().expect("the maps can be read"), before);
    reach(&mut adopted, &Desired { services: vec![], ..wanted });
    let after = adopted.observe().expect("the maps can be read");
    assert!(after.services.is_empty());
    assert_eq!(after.present().count(), 0);

    adopted.detach().expect("the pins can be removed");
    assert!(!root.0.exists());
}

#[test]
fn a_start_that_was_interrupted_is_completed() {
    let root = Root::new();
    let mut dataplane = root.load();
    let before = reach(&mut dataplane, &desired());
    drop(dataplane);
    for name in ["program", map::FLOWS, map::SERVER_STATS] {
        fs::remove_file(root.pin(name)).expect("the pin is there");
    }
    let dataplane = root.load();
    assert_eq!(dataplane.observe().expect("the maps can be read"), before);
    assert!(root.pin("program").exists());
    assert!(root.pin(map::FLOWS).exists());
}

#[test]
fn pinned_maps_keep_their_sizes_and_say_so() {
    let root = Root::new();
    drop(root.load());
    let other = Limits { flows: LIMITS.flows * 2, services: 1, ..LIMITS };
    let dataplane = Dataplane::load(&root.0, &other).expect("the data plane loads");
    let warnings = dataplane.warnings().join("\n");
    assert_eq!(dataplane.warnings().len(), 2, "{warnings}");
    assert!(warnings.contains("limits.services is 1, but the data plane was loaded with 16"));
    assert!(warnings.contains("limits.flows is 32768, but the data plane was loaded with 16384"));
    assert_eq!(dataplane.observe().expect("the maps can be read").service_capacity, 16);
    let flows = MapInfo::from_pin(root.pin(map::FLOWS)).expect("pinned");
    assert_eq!(flows.max_entries(), LIMITS.flows);
}

#[test]
fn a_pinned_map_of_another_layout_is_refused() {
    let root = Root::new();
    let folder = root.version(ABI_VERSION);
    fs::create_dir_all(&folder).expect("a folder");
    Array::<MapData, u32>::create(4, 0)
        .expect("a map")
        .pin(folder.join(map::SERVERS))
        .expect("a pin");
    match Dataplane::load(&root.0, &LIMITS) {
        Err(error @ Error::Pinned { .. }) => {
            assert!(error.to_string().contains("SERVERS"), "{error}");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("adopted"),
    }
}

#[test]
fn counters_of_other_reasons_are_replaced() {
    let root = Root::new();
    fs::create_dir_all(root.version(ABI_VERSION)).expect("a folder");
    let other = PerCpuArray::<MapData, u64>::create(3, 0).expect("a map");
    other.pin(root.pin(map::REASONS)).expect("a pin");
    root.load();
    let reasons = MapInfo::from_pin(root.pin(map::REASONS)).expect("pinned");
    assert_eq!(reasons.max_entries() as usize, Reason::COUNT);
}

#[test]
fn flows_are_read_however_many_there_are() {
    const FLOWS: u32 = 10_000;
    type FlowKeyBytes = [u8; size_of::<FlowKey>()];
    type FlowBytes = [u8; size_of::<Flow>()];
    let root = Root::new();
    let dataplane = root.load();
    let flows = Map::LruHashMap(MapData::from_pin(root.pin(map::FLOWS)).expect("it is pinned"));
    let mut flows: HashMap<_, FlowKeyBytes, FlowBytes> = flows.try_into().expect("a map of flows");
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
fn counters_start_at_zero() {
    let root = Root::new();
    let dataplane = root.load();
    assert_eq!(dataplane.service_stats(0).expect("a counter"), Stats::default());
    assert_eq!(dataplane.server_stats(63).expect("a counter"), Stats::default());
    assert!(dataplane.server_stats(64).is_err());
    for &reason in Reason::ALL {
        assert_eq!(dataplane.reason(reason).expect("a counter"), 0);
    }
}

#[test]
fn attaches_adopts_and_detaches() {
    in_namespace(async |netlink| {
        let root = Root::new();
        let mut first = root.load();
        assert_eq!(attach(&mut first, &netlink, &["lan0"]).await, [native("lan0")]);
        let before = program_on(&netlink, "lan0").await;
        assert!(before.is_some());
        assert_eq!(attach(&mut first, &netlink, &["lan0"]).await, [native("lan0")]);
        assert_eq!(program_on(&netlink, "lan0").await, before, "attached once");
        drop(first);
        assert_eq!(program_on(&netlink, "lan0").await, before, "the link is pinned");

        let mut second = root.load();
        assert_eq!(program_on(&netlink, "lan0").await, before, "not before attach");
        let attached = attach(&mut second, &netlink, &["lan0", "peer0"]).await;
        assert_eq!(attached, [native("lan0"), native("peer0")]);
        let after = program_on(&netlink, "lan0").await;
        assert!(after.is_some() && after != before, "the new program is on the link");

        attach(&mut second, &netlink, &["lan0"]).await;
        wait_for_no_program(&netlink, "peer0").await;
        second.detach().expect("the pins can be removed");
        wait_for_no_program(&netlink, "lan0").await;
        assert!(!root.0.exists());
    });
}

#[test]
fn an_interface_that_was_made_anew_is_attached_again() {
    in_namespace(async |netlink| {
        let root = Root::new();
        let mut dataplane = root.load();
        attach(&mut dataplane, &netlink, &["lan0"]).await;
        let index = look_up(&netlink, "lan0").await.header.index;
        netlink.link().del(index).execute().await.expect("it can be deleted");
        let attached = attach(&mut dataplane, &netlink, &["lan0"]).await;
        assert_eq!(attached[0].mode, AttachMode::Detached);
        assert_eq!(attached[0].problem.as_deref(), Some("there is no interface lan0"));

        make_pair(&netlink).await;
        assert_eq!(attach(&mut dataplane, &netlink, &["lan0"]).await, [native("lan0")]);
        assert!(program_on(&netlink, "lan0").await.is_some());
    });
}

#[test]
fn an_interface_that_was_renamed_is_given_up() {
    in_namespace(async |netlink| {
        let root = Root::new();
        let mut dataplane = root.load();
        attach(&mut dataplane, &netlink, &["lan0"]).await;
        rename(&netlink, "lan0", "old0").await;
        rename(&netlink, "peer0", "lan0").await;
        assert_eq!(attach(&mut dataplane, &netlink, &["lan0"]).await, [native("lan0")]);
        assert!(program_on(&netlink, "lan0").await.is_some());
        wait_for_no_program(&netlink, "old0").await;
    });
}

async fn rename(netlink: &Handle, from: &str, to: &str) {
    let index = look_up(netlink, from).await.header.index;
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
    in_namespace(async |netlink| {
        let root = Root::new();
        let mut old = root.load();
        attach(&mut old, &netlink, &["lan0"]).await;
        drop(old);
        let before = program_on(&netlink, "lan0").await;
        fs::rename(root.version(ABI_VERSION), root.version(ABI_VERSION + 1)).expect("renamed");

        let mut new = root.load();
        assert_eq!(attach(&mut new, &netlink, &["lan0"]).await, [native("lan0")]);
        drop(new);
        let after = program_on(&netlink, "lan0").await;
        assert!(after.is_some() && after != before);
        assert!(!root.version(ABI_VERSION + 1).exists());
        assert!(root.pin("link-lan0").exists());
    });
}

#[test]
fn a_strangers_program_is_left_alone() {
    in_namespace(async |netlink| {
        let (stranger, root) = (Root::new(), Root::new());
        attach(&mut stranger.load(), &netlink, &["lan0"]).await;
        let before = program_on(&netlink, "lan0").await;
        let attached = attach(&mut root.load(), &netlink, &["lan0"]).await;
        assert_eq!(attached[0].mode, AttachMode::Detached);
        let problem = attached[0].problem.as_deref().unwrap_or_default();
        assert!(problem.contains("another XDP program"), "{problem}");
        assert_eq!(program_on(&netlink, "lan0").await, before);
    });
}
