use super::*;
use crate::netlink::Via;
use lb_common::{abi::Tags, api::ServerState};
use std::sync::Arc;

fn via() -> Via {
    Via {
        interface: "eth0".into(),
        ifindex: 7,
        tags: Tags::NONE,
        gateway: None,
        source: Some([10, 0, 0, 254].into()),
        mtu: 1500,
        source_mac: [2, 0, 0, 0, 0, 1],
        next_hop_mac: Some([2, 0, 0, 0, 0, 2]),
    }
}

fn service(mode: Mode, scheduler: Scheduler) -> config::Service {
    let server =
        |name, host, weight| config::Server::new(name, ([10, 0, 0, host], 8080).into(), weight);
    config::Service {
        mode,
        scheduler,
        servers: vec![server("a", 1, 1), server("b", 2, 2)],
        ..config::Service::new("web", ([192, 0, 2, 1], 80).into())
    }
}

fn desired(service: config::Service, resolution: Option<&Resolution>) -> Desired {
    let config = Config { services: vec![Arc::new(service)], ..Config::default() };
    let standing = |server: &config::Server| Standing {
        share: server.weight,
        resets: false,
        state: ServerState::Up,
    };
    let standings: Vec<Standing> = config.services[0].members().map(standing).collect();
    let inputs =
        Inputs { standings: &|_| &standings, resolution: &|_| resolution, links: BTreeMap::new() };
    Desired::new(&config, inputs, &mut schedule::Cache::default())
}

fn only_server(mode: Mode, resolution: Option<&Resolution>) -> Server {
    desired(service(mode, Scheduler::Rr), resolution).services[0].servers[0]
}

#[test]
fn a_resolved_server_has_all_that_forwarding_needs() {
    let server = only_server(Mode::Tunnel, Some(&Resolution::Via(via())));
    assert_eq!(server.address, Address::from_v4([10, 0, 0, 1]));
    assert_eq!(server.port, 8080u16.to_be());
    assert_eq!(server.mode, mode::TUNNEL);
    assert_eq!(server.flags, server_flags::PRESENT | server_flags::RESOLVED);
    assert_eq!(server.tunnel_source, Address::from_v4([10, 0, 0, 254]));
    assert_eq!(server.next_hop.ifindex, 7);
    assert_eq!(server.next_hop.mtu, 1500);
    let macs = Macs::new([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]);
    assert_eq!(server.next_hop.macs, macs);
}

#[test]
fn a_server_without_a_way_stays_in_the_table() {
    let waiting = Resolution::Via(Via { next_hop_mac: None, ..via() });
    let unreachable = Resolution::Unreachable("no route".into());
    for resolution in [None, Some(&waiting), Some(&unreachable)] {
        let desired = desired(service(Mode::Nat, Scheduler::Wrr), resolution);
        let service = &desired.services[0];
        assert_eq!(*service.table, [1, 0, 1]);
        assert_eq!(service.servers[0].flags, server_flags::PRESENT);
    }
}

#[test]
fn each_mode_refuses_the_ways_it_cannot_use() {
    let gateway = Resolution::Via(Via { gateway: Some([10, 0, 0, 9].into()), ..via() });
    let no_source = Resolution::Via(Via { source: None, ..via() });
    let cases = [
        (Mode::Nat, &Resolution::Local, ServerState::Unreachable),
        (Mode::Dr, &Resolution::Local, ServerState::Local),
        (Mode::Tunnel, &Resolution::Local, ServerState::Local),
        (Mode::Nat, &gateway, ServerState::Up),
        (Mode::Dr, &gateway, ServerState::Unreachable),
        (Mode::Tunnel, &gateway, ServerState::Up),
        (Mode::Nat, &no_source, ServerState::Up),
        (Mode::Dr, &no_source, ServerState::Up),
        (Mode::Tunnel, &no_source, ServerState::Unreachable),
    ];
    for (mode, resolution, expected) in cases {
        let service = service(mode, Scheduler::Rr);
        let found = way(&service, &service.servers[0], Some(resolution)).state(ServerState::Up);
        assert_eq!(found, expected, "{mode} {resolution:?}");
        let flags = match expected {
            ServerState::Up => server_flags::RESOLVED,
            ServerState::Local => server_flags::LOCAL,
            _ => 0,
        };
        let server = only_server(mode, Some(resolution));
        assert_eq!(server.flags, server_flags::PRESENT | flags, "{mode} {resolution:?}");
    }
}

#[test]
fn a_fallback_may_be_this_director_in_any_mode() {
    for mode in Mode::ALL {
        let service = service(*mode, Scheduler::Rr);
        let fallback = config::Server::new(config::FALLBACK, ([127, 0, 0, 1], 80).into(), 1);
        assert_eq!(way(&service, &fallback, Some(&Resolution::Local)), Way::Local);
    }
}

#[test]
fn states_tell_the_first_thing_to_look_at() {
    use ServerState::*;
    let up = via();
    let waiting = Via { next_hop_mac: None, ..via() };
    let unusable = Way::Unusable(String::new());
    for (standing, way, expected) in [
        (Up, &Way::Via(&up), Up),
        (Drained, &Way::Via(&up), Drained),
        (Up, &Way::Via(&waiting), Unresolved),
        (SlowStart, &Way::Unknown, Unresolved),
        (Standby, &Way::Via(&waiting), Standby),
        (Drained, &unusable, Unreachable),
        (Down, &unusable, Down),
        (Up, &Way::Local, Local),
    ] {
        assert_eq!(way.state(standing), expected, "{standing} {way:?}");
    }
}

#[test]
fn only_nat_servers_answer_through_the_director() {
    let (address, port) = (Address::from_v4([10, 0, 0, 2]), 8080u16.to_be());
    for mode in Mode::ALL {
        let desired = desired(service(*mode, Scheduler::Rr), None);
        let marked = desired.sources.contains(&address, port, protocol::TCP);
        assert_eq!(marked, *mode == Mode::Nat);
        assert!(!desired.sources.contains(&address, port, protocol::UDP));
    }
}

#[test]
fn schedulers_select_by_cursor_or_hash() {
    let select = |scheduler, hash_port| {
        let service = config::Service { hash_port, ..service(Mode::Dr, scheduler) };
        desired(service, None).services[0].select
    };
    assert_eq!(select(Scheduler::Rr, false), Select::Cursor);
    assert_eq!(select(Scheduler::Wrr, false), Select::Cursor);
    assert_eq!(select(Scheduler::Sh, false), Select::Source);
    assert_eq!(select(Scheduler::Mh, false), Select::Source);
    assert_eq!(select(Scheduler::Mh, true), Select::SourceAndPort);
    assert_eq!(select(Scheduler::Dh, false), Select::Destination);
}

#[test]
fn what_compares_connections_counts_them_and_lists_each_server_once() {
    for (scheduler, select) in [
        (Scheduler::Lc, Select::LeastConnections),
        (Scheduler::Wlc, Select::WeightedLeastConnections),
        (Scheduler::Sed, Select::ShortestExpectedDelay),
        (Scheduler::Nq, Select::NeverQueue),
    ] {
        let service = &desired(service(Mode::Dr, scheduler), None).services[0];
        assert_eq!(service.select, select);
        assert_eq!(service.flags, service_flags::COUNTED);
        assert_eq!(*service.table, [0, 1]);
        assert_eq!(service.servers[1].weight, 2);
    }
    assert_eq!(desired(service(Mode::Dr, Scheduler::Wrr), None).services[0].flags, 0);
}

#[test]
fn a_limit_has_connections_counted() {
    let mut service = service(Mode::Dr, Scheduler::Rr);
    service.servers[1].max_connections = Some(7);
    let service = &desired(service, None).services[0];
    assert_eq!(service.flags, service_flags::COUNTED | service_flags::LIMITED);
    assert_eq!(service.servers.iter().map(|s| s.max_connections).collect::<Vec<_>>(), [0, 7]);
}

#[test]
fn persistence_counts_the_bits_of_the_long_form() {
    let with = |address: &str, prefix| {
        let service = config::Service {
            address: address.parse().unwrap(),
            persist: Some(config::Persist { timeout: 300, prefix }),
            ..service(Mode::Dr, Scheduler::Rr)
        };
        let service = desired(service, None).services.remove(0);
        (service.persist, service.persist_prefix)
    };
    assert_eq!(with("192.0.2.1:80", 24), (300, 120));
    assert_eq!(with("[2001:db8::1]:80", 64), (300, 64));
    let without = &desired(service(Mode::Dr, Scheduler::Rr), None).services[0];
    assert_eq!((without.persist, without.persist_prefix), (0, 0));
}

#[test]
fn a_server_without_a_share_is_leaving() {
    let mut service = service(Mode::Dr, Scheduler::Rr);
    service.servers[0].weight = 0;
    let service = &desired(service, None).services[0];
    assert_eq!(service.servers[0].flags, server_flags::PRESENT | server_flags::LEAVING);
    assert_eq!(service.servers[1].flags, server_flags::PRESENT);
}
