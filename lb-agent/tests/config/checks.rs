//! Health checks, and what depends on them.

use super::read;
use lb_agent::config::{Config, FALLBACK, Persist, Server, ServerCheck, Service};
use lb_agent::health::check::{
    Check, Dns, Exec, Http, HttpVersion, Pattern, Probe, Smtp, Tls, Udp,
};
use lb_common::api::{AdminState, OnDown, Scheduler, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// A service with these fields.
fn service(fields: &str) -> Service {
    let text = format!(
        "interfaces: [eth0]\n\
         services: [{{ name: web, address: 192.168.0.99:80, mode: dr, servers: [], {fields} }}]"
    );
    Service::clone(&read(&text).unwrap().services[0])
}

#[track_caller]
fn assert_probe(check: &str, expected: Probe) {
    let found = service(&format!("check: {check}")).check.unwrap();
    assert_eq!(found.probe, expected, "{check}");
}

fn plain_http() -> Http {
    Http {
        tls: None,
        method: "GET".to_owned(),
        path: "/".to_owned(),
        host: None,
        version: HttpVersion::V11,
        status: vec![200..=399],
        body: None,
    }
}

fn verified() -> Tls {
    Tls { verify: true, name: None, ca: None }
}

#[test]
fn every_type() {
    let pattern = |text| Some(Pattern::new(text).unwrap());
    assert_probe("tcp", Probe::Tcp);
    assert_probe("{ type: ping }", Probe::Ping);
    assert_probe("http", Probe::Http(plain_http()));
    assert_probe("https", Probe::Http(Http { tls: Some(verified()), ..plain_http() }));
    assert_probe(
        "{ type: http, method: HEAD, path: '/a?b=c', host: www.example.org, version: 1.0, \
         expect: [200-299, 401], body: '^ok\\s' }",
        Probe::Http(Http {
            method: "HEAD".to_owned(),
            path: "/a?b=c".to_owned(),
            host: Some("www.example.org".to_owned()),
            version: HttpVersion::V10,
            status: vec![200..=299, 401..=401],
            body: pattern("^ok\\s"),
            ..plain_http()
        }),
    );
    let tls = Tls {
        verify: false,
        name: Some("www.example.org".to_owned()),
        ca: Some("/etc/passwd".into()),
    };
    assert_probe(
        "{ type: https, verify: false, name: www.example.org, ca: /etc/passwd, expect: 204 }",
        Probe::Http(Http { tls: Some(tls), status: vec![204..=204], ..plain_http() }),
    );
    assert_probe("smtp", Probe::Smtp(Smtp { helo: None }));
    let helo = Some("lb.example.org".to_owned());
    assert_probe("{ type: smtp, helo: lb.example.org }", Probe::Smtp(Smtp { helo }));
    let dns = |record: &str, expect: Option<&str>| {
        let (name, record) = ("example.org".to_owned(), record.to_owned());
        Probe::Dns(Dns { name, record, expect: expect.map(str::to_owned) })
    };
    assert_probe("{ type: dns, name: example.org }", dns("A", None));
    assert_probe(
        "{ type: dns, name: example.org, record: MX, expect: 10 mail.example.org. }",
        dns("MX", Some("10 mail.example.org.")),
    );
    assert_probe("udp", Probe::Udp(Udp { send: vec![], expect: None }));
    let send = b"a\\\n\r\t\x00\xff".to_vec();
    let udp = Probe::Udp(Udp { send, expect: pattern("^a") });
    assert_probe(r"{ type: udp, send: 'a\\\n\r\t\x00\xFF', expect: ^a }", udp.clone());
    assert_probe(r#"{ type: udp, send: "a\\\\\n\r\t\0\\xff", expect: ^a }"#, udp);
    assert_probe(
        "{ type: exec, command: [/bin/true, -x, '{a}'], user: nobody }",
        Probe::Exec(Exec {
            command: ["/bin/true", "-x", "{a}"].map(str::to_owned).to_vec(),
            user: "nobody".to_owned(),
        }),
    );
}

#[test]
fn how_often_and_how_many() {
    let check = |fields: &str| {
        let found = service(&format!("check: {{ type: tcp, {fields} }}")).check;
        Check::clone(&found.unwrap())
    };
    let default = Check {
        probe: Probe::Tcp,
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        rise: 2,
        fall: 3,
        initial: Verdict::Down,
        address: None,
        port: None,
    };
    assert_eq!(check(""), default);
    let short = Duration::from_millis(50);
    assert_eq!(
        check("interval: 50ms"),
        Check { interval: short, timeout: short, ..default.clone() }
    );
    assert_eq!(
        check(
            "interval: 1m, timeout: 10s, rise: 1, fall: 9, initial: up, \
             address: 127.0.0.1, port: 8080"
        ),
        Check {
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            rise: 1,
            fall: 9,
            initial: Verdict::Up,
            address: Some([127, 0, 0, 1].into()),
            port: Some(8080),
            ..default
        }
    );
}

#[test]
fn what_depends_on_health() {
    let found = service(
        "scheduler: wlc, persist: 300s, persist_netmask: 255.255.255.0, on_down: keep, \
         slow_start: 30s, fallback: '127.0.0.1:80', check: off",
    );
    assert_eq!(found.scheduler, Scheduler::Wlc);
    assert_eq!(found.persist, Some(Persist { timeout: 300, prefix: 24 }));
    assert_eq!(found.on_down, OnDown::Keep);
    assert_eq!(found.slow_start, Duration::from_secs(30));
    let fallback = Server::new(FALLBACK, ([127, 0, 0, 1], 80).into(), 1);
    assert_eq!(found.fallback, Some(Server { check: ServerCheck::Off, ..fallback }));
    assert_eq!(found.check, None);
    let persist = service("persist: 1m").persist;
    assert_eq!(persist, Some(Persist { timeout: 60, prefix: 32 }));
}

#[test]
fn servers_of_their_own_kind() {
    let text = "
interfaces: [eth0]
control: { group: root }
autoreload: yes
services:
- name: web
  address: 192.168.0.99:80
  mode: dr
  check: tcp
  servers:
  - { name: a, address: 192.168.0.1:80 }
  - { name: b, address: 192.168.0.2:80, backup: true, max_connections: 5, admin: disabled, check: off }
  - { name: c, address: 192.168.0.3:80, check: { type: tcp } }
";
    let config = read(text).unwrap();
    assert_eq!((config.group.as_deref(), config.autoreload), (Some("root"), true));
    let service = &config.services[0];
    let [a, b, c] = &service.servers[..] else { panic!("{:?}", service.servers) };
    assert_eq!(a.check, ServerCheck::Service);
    assert_eq!((b.backup, b.max_connections), (true, Some(5)));
    assert_eq!((b.admin, &b.check), (AdminState::Disabled, &ServerCheck::Off));
    let shared = service.check_of(a).zip(service.check_of(c));
    assert!(shared.is_some_and(|(a, c)| Arc::ptr_eq(a, c)), "equal checks are kept once");
    assert_eq!(service.check_of(b), None);
}

#[test]
fn legal_but_odd() {
    let about = |fields: &str, servers: &str| {
        let text = format!(
            "interfaces: [eth0]\nservices: [{{ name: web, address: 192.168.0.99:80, mode: dr, \
             {fields} servers: [{servers}] }}]"
        );
        read(&text).as_ref().map(Config::warnings).unwrap()
    };
    let a = "{ name: a, address: 192.168.0.1:80 }";
    let with = |field: &str| format!("{{ name: a, address: 192.168.0.1:80, {field} }}");
    assert_eq!(about("check: tcp, fallback: 127.0.0.1:80,", a), [""; 0]);
    let rows = [
        (about("check: tcp,", &with("backup: true")), "no server that isn't a backup"),
        (about("", &with("admin: drained")), "every server drained or disabled"),
        (about("fallback: 127.0.0.1:80,", a), "never count as down"),
        (about("check: { type: ping, port: 80 },", a), "service web: a ping has no port"),
        (
            about("", &with("check: { type: https, verify: no, ca: /etc/passwd }")),
            "server web/a: ca has no effect",
        ),
    ];
    for (found, expected) in rows {
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{found:?} instead of {expected:?}");
    }
}
