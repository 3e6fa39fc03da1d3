//! One service or server on its own, beside what runs.

use super::read;
use lb_agent::config::{Config, diff, parse_server, parse_service};
use lb_common::api::{Difference, Problem};
use std::sync::Arc;

const RUNNING: &str = "
interfaces: [eth0]
limits: { services: 2, servers: 3, slots: 300 }
services:
- name: web
  address: 192.0.2.1:80
  mode: dr
  scheduler: mh
  table_size: 251
  fallback: 192.0.2.9:80
  servers: [{ name: a, address: 192.0.2.11:80 }]
";

fn running() -> Config {
    read(RUNNING).unwrap()
}

/// Each problem as `column field: message`.
#[track_caller]
fn assert_refused<T: std::fmt::Debug>(found: Result<T, Vec<Problem>>, expected: &[&str]) {
    let found: Vec<String> = found
        .unwrap_err()
        .iter()
        .map(|problem| format!("{} {}: {}", problem.column, problem.field, problem.message))
        .collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found:?} instead of {expected:?}");
    }
}

#[test]
fn a_service_in_json_and_in_yaml() {
    let json = br#"{"name": "dns", "address": "192.0.2.1:53", "protocol": "udp", "mode": "nat",
        "check": {"type": "dns", "name": "example.org"}, "servers": []}"#;
    let yaml = b"name: dns\naddress: 192.0.2.1:53\nprotocol: udp\nmode: nat\n\
        check: { type: dns, name: example.org }\nservers: []\n";
    let found = parse_service(json, &running());
    assert_eq!(found, parse_service(yaml, &running()));
    assert_eq!(found.unwrap().name, "dns");
}

#[test]
fn a_service_beside_what_runs() {
    let service = |text: &str| parse_service(text.as_bytes(), &running());
    assert_refused(
        service("{name: web, address: '192.0.2.1:80', mode: dr, servers: []}"),
        &[
            "8 name: the service that runs has the name \"web\" already",
            "22 address: the service that runs has this address and protocol already",
        ],
    );
    let many = "{name: x, address: '192.0.2.2:80', mode: dr, scheduler: mh, table_size: 251,
        servers: [{name: a, address: '192.0.2.3:80'}, {name: b, address: '192.0.2.4:80'}]}";
    assert_refused(
        service(many),
        &["73 table_size: limits.slots allows 300", "55 servers[1]: limits.servers allows 3"],
    );
    let mut full = running();
    let second = "{name: y, address: '192.0.2.5:80', mode: dr, servers: []}";
    full.services.push(Arc::new(service(second).unwrap()));
    let third = b"{name: z, address: '192.0.2.6:80', mode: dr, servers: []}";
    assert_refused(parse_service(third, &full), &["1 : limits.services allows 2"]);
    assert_refused(service(""), &["0 : empty; expected a service"]);
    assert_refused(service("[1]"), &["1 : expected a service with a name"]);
    assert_refused(parse_service(b"\xff", &running()), &["1 : the byte 0xff is not UTF-8"]);
}

#[test]
fn a_server_beside_what_runs() {
    let running = running();
    let server = |text: &str| parse_server(text.as_bytes(), &running.services[0], &running);
    assert!(server("{name: b, address: '192.0.2.12:80', check: off}").is_ok());
    assert_refused(
        server("{name: a, address: '192.0.2.11:80', wieght: 1}"),
        &[
            "8 name: the server that runs has the name \"a\" already",
            "20 address: the server that runs has this address already",
            "37 wieght: unknown field, did you mean \"weight\"?",
        ],
    );
    let taken = "20 address: the server that runs has this address already";
    assert_refused(server("{name: b, address: '192.0.2.9:80'}"), &[taken]);
    assert_refused(
        server("{name: fallback, address: '192.0.2.12:81'}"),
        &["8 name: the server that runs has the name", "27 address: mode dr leaves the port"],
    );
    let one = RUNNING.replace("servers: 3", "servers: 2");
    let one = read(&one).unwrap();
    let found = parse_server(b"{name: b, address: '192.0.2.12:80'}", &one.services[0], &one);
    assert_refused(found, &["1 : limits.servers allows 2"]);
}

#[test]
fn differences_from_the_file_to_what_runs() {
    let difference =
        |service: &str, server: Option<&str>, field: &str, texts: [Option<&str>; 2]| {
            let [file, running] = texts.map(|text| text.map(str::to_owned));
            let (service, server) = (service.to_owned(), server.map(str::to_owned));
            Difference { service, server, field: field.to_owned(), file, running }
        };
    let file = read(
        "
interfaces: [eth0]
services:
- { name: gone, address: 192.0.2.3:80, mode: dr, servers: [] }
- name: web
  address: 192.0.2.1:80
  mode: dr
  servers: [{ name: a, address: 192.0.2.11:80, weight: 7 }, { name: b, address: 192.0.2.12:80 }]
- { name: same, address: 192.0.2.4:80, mode: dr, servers: [] }
",
    );
    let running = read(
        "
interfaces: [eth0]
services:
- name: web
  address: 192.0.2.1:80
  mode: dr
  scheduler: wlc
  check: tcp
  servers:
  - { name: c, address: 192.0.2.13:80 }
  - { name: a, address: 192.0.2.11:80, weight: 3, admin: drained }
- { name: same, address: 192.0.2.4:80, mode: dr, servers: [] }
- { name: new, address: 192.0.2.5:80, mode: dr, servers: [] }
",
    );
    let (file, running) = (file.unwrap(), running.unwrap());
    let gone = "{ name: gone, address: 192.0.2.3:80, mode: dr, servers: [] }";
    let new = "{ name: new, address: 192.0.2.5:80, mode: dr, servers: [] }";
    let b = "{ name: b, address: 192.0.2.12:80 }";
    let c = "{ name: c, address: 192.0.2.13:80 }";
    let expected = [
        difference("gone", None, "", [Some(gone), None]),
        difference("web", None, "scheduler", [Some("wrr"), Some("wlc")]),
        difference("web", None, "check", [None, Some("tcp")]),
        difference("web", Some("a"), "weight", [Some("7"), Some("3")]),
        difference("web", Some("a"), "admin", [Some("enabled"), Some("drained")]),
        difference("web", Some("b"), "", [Some(b), None]),
        difference("web", Some("c"), "", [None, Some(c)]),
        difference("new", None, "", [None, Some(new)]),
    ];
    assert_eq!(diff(&file, &running), expected);
    assert_eq!(diff(&file, &file), []);
}
