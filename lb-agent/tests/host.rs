//! What the agent sees to on the machine, in namespaces of the tests' own.

mod common;

use common::*;
use lb_agent::host::{self, Instance, InstanceError};
use lb_agent::netlink::Resolver;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, setsockopt,
    socket, sockopt,
};
use std::net::{IpAddr, Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::path::Path;

const FORWARDING: [&str; 2] =
    ["/proc/sys/net/ipv4/conf/lo/forwarding", "/proc/sys/net/ipv6/conf/lo/forwarding"];

fn setting(path: &str) -> String {
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

#[test]
fn only_loopback_begins_to_forward() {
    in_lab(async |_lab| {
        for path in FORWARDING {
            std::fs::write(path, "0").unwrap();
        }
        let near = FORWARDING.map(|path| path.replace("/lo/", &format!("/{NEAR}/")));
        let before = near.each_ref().map(|path| setting(path));

        let changed = host::forward_on_loopback().unwrap();
        assert_eq!(changed, FORWARDING.map(Path::new));
        assert_eq!(FORWARDING.map(setting), ["1", "1"]);
        assert_eq!(near.each_ref().map(|path| setting(path)), before);
        assert!(host::forward_on_loopback().unwrap().is_empty());
    });
}

#[test]
fn routes_from_router_advertisements_outlive_the_change() {
    in_lab(async |lab| {
        std::fs::write(FORWARDING[1], "0").unwrap();
        let accept = format!("/proc/sys/net/ipv6/conf/{NEAR}/accept_ra");
        std::fs::write(&accept, "1").unwrap();
        let router = "fe80::2".parse().unwrap();
        add_address(&lab.far, lab.far_index, router, 64).await;

        let mut resolver = Resolver::start().await.unwrap();
        let server: IpAddr = "2001:db8:ffff::1".parse().unwrap();
        resolver.want(set([server]));
        eventually(&mut resolver, "a route by advertisement", async || {
            lab.at_far(|| advertise(lab.far_index));
            setting("/proc/thread-self/net/ipv6_route").lines().any(is_default_by_advertisement)
        })
        .await;
        until(&mut resolver, "the router", |resolver| {
            via(resolver, server).is_some_and(|via| via.gateway == Some(router))
        })
        .await;

        let changed = host::forward_on_loopback().unwrap();
        assert!(changed.iter().any(|path| path == Path::new(FORWARDING[1])));
        assert!(
            setting("/proc/thread-self/net/ipv6_route").lines().any(is_default_by_advertisement)
        );
        assert_eq!(setting(&accept), "1");
    });
}

#[test]
fn one_agent_per_network_namespace() {
    in_namespace(|| {
        let first = Instance::claim().unwrap();
        for _ in 0..10 {
            let Err(InstanceError::Running { pid }) = Instance::claim() else {
                panic!("a second agent was let in");
            };
            assert_eq!(pid, Some(std::process::id()));
        }
        // However many come, none waits.
        for _ in 0..10_000 {
            assert!(matches!(Instance::claim(), Err(InstanceError::Running { .. })));
        }
        in_namespace(|| Instance::claim().unwrap());
        drop(first);
        Instance::claim().unwrap();
    });
}

#[test]
fn vlan_tags_stay_in_frames() {
    in_lab(async |_lab| {
        let turned_off = host::keep_vlan_tags(NEAR).unwrap();
        assert_eq!(turned_off, ["rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"]);
        assert!(host::keep_vlan_tags(NEAR).unwrap().is_empty());
        assert!(host::keep_vlan_tags("lo").unwrap().is_empty());
        let error = host::keep_vlan_tags("missing").unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    });
}

#[test]
fn frames_are_not_merged_any_more() {
    in_namespace(|| {
        assert_eq!(host::keep_frames_apart("lo").unwrap(), ["rx-gro"]);
        assert!(host::keep_frames_apart("lo").unwrap().is_empty());
        let error = host::keep_frames_apart("missing").unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    });
}

#[test]
fn a_bpf_file_system_is_mounted_where_none_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    in_namespace(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
            .unwrap();
        assert!(host::mount_bpffs(&path).unwrap());
        assert!(!host::mount_bpffs(&path).unwrap());
        let error = host::mount_bpffs(&path.join("missing")).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    });
}

#[test]
fn locked_memory_is_limited_no_more_than_it_must() {
    let (_, hard) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap();
    setrlimit(Resource::RLIMIT_MEMLOCK, 4096, hard).unwrap();
    host::raise_locked_memory_limit().unwrap();
    let (soft, new_hard) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap();
    assert_eq!(soft, new_hard);
    assert!(new_hard >= hard);
}

/// Sends a router advertisement (RFC 4861, section 4.2) to all nodes.
fn advertise(ifindex: u32) {
    let socket =
        socket(AddressFamily::Inet6, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::IcmpV6)
            .unwrap();
    setsockopt(&socket, sockopt::Ipv6MulticastHops, &255).unwrap();
    let mut advertisement = [0; 16];
    advertisement[0] = 134;
    // Router lifetime, in seconds. The kernel fills in the checksum.
    advertisement[6..8].copy_from_slice(&1800_u16.to_be_bytes());
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let to = SockaddrIn6::from(SocketAddrV6::new(all_nodes, 0, 0, ifindex));
    sendto(socket.as_raw_fd(), &advertisement, &to, MsgFlags::empty()).unwrap();
}

/// Whether a line of /proc/thread-self/net/ipv6_route is a default route with `RTF_ADDRCONF`.
fn is_default_by_advertisement(line: &str) -> bool {
    const RTF_ADDRCONF: u32 = 0x0004_0000;
    let fields: Vec<&str> = line.split_whitespace().collect();
    let flags = u32::from_str_radix(fields[8], 16).unwrap();
    fields[0].bytes().all(|digit| digit == b'0') && fields[1] == "00" && flags & RTF_ADDRCONF != 0
}
