//! A configuration, written as a file, is read as the same.

use super::read;
use lb_agent::config::{
    Config, FALLBACK, Limits, Persist, Server, ServerCheck, Service, parse_server, parse_service,
    server_text, service_text, to_yaml,
};
use lb_agent::health::check::{
    Check, Dns, Exec, Http, HttpVersion, Pattern, Probe, Smtp, Tls, Udp,
};
use lb_common::abi::Timeouts;
use lb_common::api::{AdminState, Mode, OnDown, Protocol, Scheduler, Verdict};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const PORT: u16 = 80;

fn some<T: Clone + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    select(values)
}

/// Whatever a regular expression matches literally, so awkward characters too.
fn pattern() -> impl Strategy<Value = Pattern> {
    let awkward = prop_oneof!["[ -~]{0,20}", "\\PC{0,10}", Just("^\\s*[a-f]+: \"it's\"$".into())];
    awkward.prop_map(|text: String| match Pattern::new(&text) {
        Ok(pattern) => pattern,
        Err(_) => Pattern::new(&text.replace(|c: char| !c.is_alphanumeric(), ".")).unwrap(),
    })
}

fn http() -> impl Strategy<Value = Probe> {
    let tls =
        (any::<bool>(), of(Just("www.example.org".to_owned())), of(Just("/etc/passwd".into())));
    let tls = tls.prop_map(|(verify, name, ca)| Tls { verify, name, ca });
    let status = prop::collection::vec((100..=599u16, 100..=599u16), 1..4).prop_map(|ranges| {
        ranges.into_iter().map(|(a, b)| a.min(b)..=a.max(b)).collect::<Vec<_>>()
    });
    (
        of(tls),
        some(&["GET", "HEAD", "POST"]),
        "/[!-~]{0,20}",
        of("[!-~]{1,20}"),
        some(&[HttpVersion::V10, HttpVersion::V11]),
        prop_oneof![status, Just(vec![200..=399])],
        of(pattern()),
    )
        .prop_map(|(tls, method, path, host, version, status, body)| {
            Probe::Http(Http { tls, method: method.to_owned(), path, host, version, status, body })
        })
}

fn probe() -> impl Strategy<Value = Probe> {
    let dns = (some(&["A", "AAAA", "MX"]), of("[ -~]{1,20}")).prop_map(|(record, expect)| {
        Probe::Dns(Dns { name: "example.org.".to_owned(), record: record.to_owned(), expect })
    });
    let udp = (prop::collection::vec(any::<u8>(), 0..20), of(pattern()))
        .prop_map(|(send, expect)| Probe::Udp(Udp { send, expect }));
    let exec = prop::collection::vec("\\PC{0,12}", 0..3).prop_map(|arguments| {
        let command = [vec!["/bin/true".to_owned()], arguments].concat();
        Probe::Exec(Exec { command, user: "nobody".to_owned() })
    });
    prop_oneof![
        Just(Probe::Tcp),
        Just(Probe::Ping),
        http(),
        of("[!-~]{1,20}").prop_map(|helo| Probe::Smtp(Smtp { helo })),
        dns,
        udp,
        exec,
    ]
}

fn check() -> impl Strategy<Value = Check> {
    let times = prop_oneof![
        Just((2000, 1000)),
        (50..100_000u64).prop_flat_map(|interval| (Just(interval), 10..=interval)),
    ];
    (
        probe(),
        times,
        (1..9u32, 1..9u32),
        some(&[Verdict::Down, Verdict::Up]),
        of(some(&["127.0.0.1", "2001:db8::7"])),
        of(1..=u16::MAX),
    )
        .prop_map(|(probe, (interval, timeout), (rise, fall), initial, address, port)| Check {
            probe,
            interval: Duration::from_millis(interval),
            timeout: Duration::from_millis(timeout),
            rise,
            fall,
            initial,
            address: address.map(|address| address.parse().unwrap()),
            port,
        })
}

fn address(v4: bool, number: usize) -> SocketAddr {
    let number = u16::try_from(number).unwrap();
    let ip: IpAddr = if v4 {
        let [high, low] = number.to_be_bytes();
        [10, 9, high, low].into()
    } else {
        [0x2001, 0xdb8, 0, 0, 0, 0, 9, number].into()
    };
    SocketAddr::new(ip, PORT)
}

/// The fifth server is the fallback, if there is one.
fn servers(v4: bool) -> impl Strategy<Value = (Vec<Server>, Option<Server>)> {
    let check = prop_oneof![
        Just(ServerCheck::Service),
        Just(ServerCheck::Off),
        check().prop_map(|check| ServerCheck::Own(Arc::new(check))),
    ];
    let server = (
        0..=1000u32,
        some(AdminState::ALL),
        any::<bool>(),
        of(1..100_000u32),
        check,
        some(&["", "-", ".x", "_"]),
    );
    let servers = prop::collection::vec(server, 0..4).prop_map(move |servers| {
        let servers = servers.into_iter().enumerate();
        servers
            .map(|(number, (weight, admin, backup, max_connections, check, end))| Server {
                admin,
                backup,
                max_connections,
                check,
                ..Server::new(format!("{number}{end}"), address(v4, 100 + number), weight)
            })
            .collect()
    });
    (servers, of(any::<bool>())).prop_map(move |(servers, fallback)| {
        let address = fallback.map(|local| match (local, v4) {
            (true, true) => ([127, 0, 0, 1], PORT).into(),
            (true, false) => ([0, 0, 0, 0, 0, 0, 0, 1u16], PORT).into(),
            (false, _) => address(v4, 5),
        });
        let fallback = address
            .map(|address| Server { check: ServerCheck::Off, ..Server::new(FALLBACK, address, 1) });
        (servers, fallback)
    })
}

fn service(v4: bool) -> impl Strategy<Value = Service> {
    let scheduling = prop_oneof![
        (some(Scheduler::ALL), Just(false), Just(None)),
        (some(&[Scheduler::Sh]), any::<bool>(), Just(None)),
        (some(&[Scheduler::Mh]), any::<bool>(), of(some(&[251, 65537]))),
    ];
    let timeout = || prop_oneof![Just(60), 1..=604_800u32];
    let timeouts = [timeout(), timeout(), timeout(), timeout(), timeout()];
    let timeouts = prop_oneof![
        Just(Timeouts::DEFAULT),
        timeouts.prop_map(|[syn, established, fin, closed, udp]| Timeouts {
            syn,
            established,
            fin,
            closed,
            udp
        }),
    ];
    let longest = if v4 { 32 } else { 128 };
    let persist = (1..=604_800u32, prop_oneof![Just(longest), 1..=longest]);
    (
        (some(Protocol::ALL), some(Mode::ALL), scheduling, timeouts),
        of(persist.prop_map(|(timeout, prefix)| Persist { timeout, prefix })),
        of(check().prop_map(Arc::new)),
        some(OnDown::ALL),
        prop_oneof![Just(0), 0..86_400_000u64],
        servers(v4),
    )
        .prop_map(
            |(
                (protocol, mode, (scheduler, hash_port, table_size), timeouts),
                persist,
                check,
                on_down,
                slow_start,
                (servers, fallback),
            )| Service {
                protocol,
                mode,
                scheduler,
                hash_port,
                timeouts,
                table_size,
                persist,
                check,
                on_down,
                slow_start: Duration::from_millis(slow_start),
                fallback,
                servers,
                ..Service::new("", ([0, 0, 0, 0], PORT).into())
            },
        )
        .prop_map(move |service| Service { address: address(v4, 0), ..service })
}

fn config() -> impl Strategy<Value = Config> {
    let limit = || prop_oneof![Just(4096u32), 1000..60_000u32];
    let limits =
        (limit(), limit(), limit(), limit()).prop_map(|(services, servers, flows, half)| Limits {
            services,
            servers,
            slots: 1 << 22,
            flows,
            half_open: half,
        });
    let services = prop::collection::vec(any::<bool>().prop_flat_map(service), 0..4);
    let group = of(Just("root".to_owned()));
    let interfaces = some(&[&["eth0"] as &[&str], &["eth1", "eth0"]]);
    (interfaces, limits, group, any::<bool>(), services).prop_map(
        |(interfaces, limits, group, autoreload, services)| Config {
            interfaces: interfaces.iter().map(|&name| name.to_owned()).collect(),
            limits,
            group,
            autoreload,
            services: services
                .into_iter()
                .enumerate()
                .map(|(number, service)| {
                    let mut address = service.address;
                    address = self::address(address.is_ipv4(), 10 + number);
                    Arc::new(Service { name: format!("service-{number}"), address, ..service })
                })
                .collect(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_configuration(config in config()) {
        let text = to_yaml(&config);
        prop_assert_eq!(read(&text), Ok(config.clone()), "{}", text);
        // Each part too, beside the rest.
        let mut rest = config.clone();
        for service in config.services.iter().rev() {
            rest.services.pop();
            let text = service_text(service);
            let found = parse_service(text.as_bytes(), &rest);
            prop_assert_eq!(found.as_ref(), Ok(&**service), "{}", text);
            let none = Service { servers: vec![], fallback: None, ..Service::clone(service) };
            for server in &service.servers {
                let text = server_text(server);
                let found = parse_server(text.as_bytes(), &none, &rest);
                prop_assert_eq!(found.as_ref(), Ok(server), "{}", text);
            }
        }
    }
}

#[test]
fn as_an_operator_reads_it() {
    let text = r#"interfaces: [eth0]
limits: { services: 10 }
control: { group: root }
autoreload: true
services:
  - name: web
    address: 192.168.0.99:80
    mode: dr
    scheduler: wlc
    timeouts: { established: 1h }
    persist: 5m
    persist_netmask: 24
    on_down: keep
    slow_start: 30s
    fallback: 127.0.0.1:80
    check: { type: http, path: /check.txt, expect: [200-299, 401], body: 'o\.k', interval: 500ms }
    servers:
      - { name: webA, address: 192.168.0.102:80 }
      - { name: webB, address: 192.168.0.103:80, weight: 3, backup: true, check: off }
      - { name: webC, address: 192.168.0.104:80, max_connections: 9, admin: drained, check: tcp }
  - name: dns
    address: "[2001:db8::99]:53"
    protocol: udp
    mode: nat
    check: { type: udp, send: '\x00ping\n' }
    servers: []
"#;
    assert_eq!(to_yaml(&read(text).unwrap()), text);
}
