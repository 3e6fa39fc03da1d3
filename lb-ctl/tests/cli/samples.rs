//! What an agent might know.

use lb_common::api::*;

/// The services `web` and `dns`, as JSON.
pub(crate) fn services() -> String {
    let dns = Service {
        name: "dns".to_owned(),
        address: "[2001:db8::1]:53".parse().unwrap(),
        protocol: Protocol::Udp,
        mode: Mode::Dr,
        scheduler: Scheduler::Rr,
        stats: Stats::default(),
        servers: vec![],
    };
    serde_json::to_string(&[web(), dns]).unwrap()
}

/// A NAT service with a server that is up, one that is drained and one that was added and is down.
pub(crate) fn web() -> Service {
    let connections = |connections| Stats { connections, ..Stats::default() };
    let server = |name: &str| Server {
        name: name.to_owned(),
        service: "web".to_owned(),
        address: "192.0.2.10:8080".parse().unwrap(),
        weight: 5,
        configured_weight: Some(5),
        state: ServerState::Up,
        admin: AdminState::Enabled,
        deadline: None,
        health: Some(Verdict::Up),
        backup: false,
        fallback: false,
        max_connections: Some(100),
        next_hop: Some(NextHop {
            interface: "eth0".to_owned(),
            gateway: None,
            mac: Some("02:00:00:00:00:01".to_owned()),
        }),
        active: 10,
        stats: connections(300),
    };
    Service {
        name: "web".to_owned(),
        address: "192.0.2.1:80".parse().unwrap(),
        protocol: Protocol::Tcp,
        mode: Mode::Nat,
        scheduler: Scheduler::Wrr,
        stats: Stats {
            connections: 345,
            packets_in: 1000,
            bytes_in: 123_000_999,
            packets_out: 900,
            bytes_out: 4_000_000_000_000,
        },
        servers: vec![
            server("webA"),
            Server {
                address: "198.51.100.10:8080".parse().unwrap(),
                weight: 0,
                configured_weight: Some(1),
                admin: AdminState::Drained,
                state: ServerState::Drained,
                next_hop: Some(NextHop {
                    interface: "eth1".to_owned(),
                    gateway: Some("192.0.2.254".parse().unwrap()),
                    mac: None,
                }),
                active: 2,
                deadline: Some(299),
                health: None,
                backup: true,
                max_connections: None,
                stats: connections(45),
                ..server("b")
            },
            Server {
                weight: 3,
                configured_weight: None,
                state: ServerState::Down,
                health: Some(Verdict::Down),
                max_connections: None,
                next_hop: None,
                active: 0,
                stats: connections(0),
                ..server("c")
            },
        ],
    }
}
