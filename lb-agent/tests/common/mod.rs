//! Two network namespaces with a veth pair between them: `near`, in which the test runs, and
//! `far`. They vanish with the thread that made them.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod pins;

use futures_util::TryStreamExt;
use lb_agent::netlink::{Resolution, Resolver, Via};
use nix::sched::{CloneFlags, setns, unshare};
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage, LinkXdp};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::time::Duration;

pub(crate) const NEAR: &str = "near0";
pub(crate) const FAR: &str = "far0";
pub(crate) const NEAR_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const FAR_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const NEAR_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
pub(crate) const FAR_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
pub(crate) const NEAR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const FAR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Both ends of the link, up and with addresses.
pub(crate) struct Lab {
    pub(crate) near: Handle,
    pub(crate) far: Handle,
    pub(crate) near_index: u32,
    pub(crate) far_index: u32,
    near_namespace: File,
    far_namespace: File,
}

/// Runs a test in a network namespace of its own.
pub(crate) fn in_namespace<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace (are you root?)");
        test()
    });
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs a test in the near end of a lab.
pub(crate) fn in_lab(test: impl AsyncFnOnce(Lab) + Send + 'static) {
    in_namespace(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async { test(Lab::new().await).await });
    });
}

impl Lab {
    async fn new() -> Self {
        let near_namespace = File::open("/proc/thread-self/ns/net").unwrap();
        let near = connect();
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let far_namespace = File::open("/proc/thread-self/ns/net").unwrap();
        // A netlink socket stays in the namespace in which it was opened.
        let far = connect();
        setns(&near_namespace, CloneFlags::CLONE_NEWNET).unwrap();

        near.link().add(LinkVeth::new(NEAR, FAR).build()).execute().await.unwrap();
        let far_index = index(&near, FAR).await;
        let to_far = LinkMessageBuilder::<LinkUnspec>::new()
            .index(far_index)
            .setns_by_fd(far_namespace.as_raw_fd())
            .build();
        near.link().set(to_far).execute().await.unwrap();
        let lab = Self {
            near_index: index(&near, NEAR).await,
            far_index: index(&far, FAR).await,
            near,
            far,
            near_namespace,
            far_namespace,
        };
        set_mac(&lab.near, lab.near_index, NEAR_MAC).await;
        set_mac(&lab.far, lab.far_index, FAR_MAC).await;
        for handle in [&lab.near, &lab.far] {
            up(handle, index(handle, "lo").await).await;
        }
        up(&lab.near, lab.near_index).await;
        up(&lab.far, lab.far_index).await;
        add_address(&lab.near, lab.near_index, NEAR_V4.into(), 24).await;
        add_address(&lab.near, lab.near_index, NEAR_V6.into(), 64).await;
        add_address(&lab.far, lab.far_index, FAR_V4.into(), 24).await;
        add_address(&lab.far, lab.far_index, FAR_V6.into(), 64).await;
        lab
    }

    /// Does something in the far namespace.
    pub(crate) fn at_far<T>(&self, action: impl FnOnce() -> T) -> T {
        setns(&self.far_namespace, CloneFlags::CLONE_NEWNET).unwrap();
        let result = action();
        setns(&self.near_namespace, CloneFlags::CLONE_NEWNET).unwrap();
        result
    }
}

fn connect() -> Handle {
    let (connection, handle, _) = rtnetlink::new_connection().unwrap();
    tokio::spawn(connection);
    handle
}

pub(crate) async fn link(handle: &Handle, name: &str) -> LinkMessage {
    let mut links = handle.link().get().match_name(name.to_owned()).execute();
    links.try_next().await.unwrap().expect("the interface")
}

pub(crate) async fn index(handle: &Handle, name: &str) -> u32 {
    link(handle, name).await.header.index
}

/// The XDP program on an interface, as the kernel tells anyone.
pub(crate) async fn program_on(handle: &Handle, name: &str) -> Option<u32> {
    link(handle, name).await.attributes.into_iter().find_map(|attribute| match attribute {
        LinkAttribute::Xdp(xdp) => xdp.into_iter().find_map(|xdp| match xdp {
            LinkXdp::ProgId(id) => Some(id),
            _ => None,
        }),
        _ => None,
    })
}

/// The kernel releases the link of a program in the background.
pub(crate) async fn wait_for_no_program(handle: &Handle, name: &str) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while program_on(handle, name).await.is_some() {
        assert!(tokio::time::Instant::now() < deadline, "{name} still has a program");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn mac(handle: &Handle, index: u32) -> [u8; 6] {
    let link = handle.link().get().match_index(index).execute().try_next().await.unwrap().unwrap();
    let mac = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(mac) => Some(mac.as_slice().try_into().unwrap()),
        _ => None,
    });
    mac.expect("a link-layer address")
}

pub(crate) async fn set_mac(handle: &Handle, index: u32, mac: [u8; 6]) {
    let change = LinkMessageBuilder::<LinkUnspec>::new().index(index).address(mac.to_vec());
    handle.link().set(change.build()).execute().await.unwrap();
}

pub(crate) async fn up(handle: &Handle, index: u32) {
    let change = LinkMessageBuilder::<LinkUnspec>::new().index(index).up().build();
    handle.link().set(change).execute().await.unwrap();
}

pub(crate) async fn down(handle: &Handle, index: u32) {
    let change = LinkMessageBuilder::<LinkUnspec>::new().index(index).down().build();
    handle.link().set(change).execute().await.unwrap();
}

/// Adds an address that is usable at once.
pub(crate) async fn add_address(handle: &Handle, index: u32, address: IpAddr, prefix_len: u8) {
    let mut request = handle.address().add(index, address, prefix_len);
    request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
    request.execute().await.unwrap();
}

/// A route to a prefix, to be completed.
pub(crate) fn route(prefix: &str) -> RouteMessageBuilder<IpAddr> {
    let prefix: ipnet::IpNet = prefix.parse().unwrap();
    RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(prefix.addr(), prefix.prefix_len())
        .unwrap()
}

/// Waits until what the resolver knows is as wished.
pub(crate) async fn until(resolver: &mut Resolver, what: &str, met: impl Fn(&Resolver) -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !met(resolver) {
        if tokio::time::timeout_at(deadline, resolver.changed()).await.is_err() {
            panic!("not in time: {what}; resolutions: {:#?}", resolver.resolutions());
        }
    }
}

/// Waits until the kernel is as wished, while the resolver goes on.
pub(crate) async fn eventually(
    resolver: &mut Resolver,
    what: &str,
    mut met: impl AsyncFnMut() -> bool,
) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !met().await {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        let _ = tokio::time::timeout(Duration::from_millis(20), resolver.changed()).await;
    }
}

pub(crate) fn set<const N: usize>(addresses: [IpAddr; N]) -> BTreeSet<IpAddr> {
    addresses.into()
}

/// The way to an address, if there is one.
pub(crate) fn via(resolver: &Resolver, address: IpAddr) -> Option<&Via> {
    match resolver.resolutions().get(&address)? {
        Resolution::Via(via) => Some(via),
        _ => None,
    }
}

/// Why an address can't be reached, if it can't.
pub(crate) fn why_not(resolver: &Resolver, address: IpAddr) -> Option<&str> {
    match resolver.resolutions().get(&address)? {
        Resolution::Unreachable(why) => Some(why),
        _ => None,
    }
}

pub(crate) fn mac_of(resolver: &Resolver, address: IpAddr) -> Option<[u8; 6]> {
    via(resolver, address)?.next_hop_mac
}
