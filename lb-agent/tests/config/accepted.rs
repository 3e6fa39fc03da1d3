use super::read;
use lb_agent::config::{Config, Limits, Server, ServerCheck, Service};
use lb_common::abi::Timeouts;
use lb_common::api::{Mode, Protocol, Scheduler};
use std::sync::Arc;

#[test]
fn every_field() {
    let text = r#"
        # comments, also here
        interfaces: [eth0, "eth1"]
        limits: { services: 10, servers: 20, slots: 70000, flows: 40, half_open: 50 }
        services:
          - name: web
            address: 192.168.0.99:80
            protocol: tcp
            mode: nat
            scheduler: mh
            scheduler_flags: [mh-port]
            table_size: 65537
            timeouts: { syn: 30s, established: 2h, fin: 3m, closed: 20, udp: 1d }
            servers:
              - { name: webA, address: 192.168.0.102:8080, weight: 0 }
              - { name: webB, address: 192.168.0.103:8081, weight: 1000 }
          - name: dns.v6
            address: "[2001:db8::99]:53"
            protocol: udp
            mode: tunnel
            scheduler: sh
            servers: [{ name: 7, address: "[2001:db8::1]:53" }]
    "#;
    let server =
        |name: &str, address: &str, weight| Server::new(name, address.parse().unwrap(), weight);
    let expected = Config {
        interfaces: vec!["eth0".to_owned(), "eth1".to_owned()],
        limits: Limits { services: 10, servers: 20, slots: 70000, flows: 40, half_open: 50 },
        services: vec![
            Arc::new(Service {
                mode: Mode::Nat,
                scheduler: Scheduler::Mh,
                hash_port: true,
                timeouts: Timeouts { syn: 30, established: 7200, fin: 180, closed: 20, udp: 86400 },
                table_size: Some(65537),
                servers: vec![
                    server("webA", "192.168.0.102:8080", 0),
                    server("webB", "192.168.0.103:8081", 1000),
                ],
                ..Service::new("web", "192.168.0.99:80".parse().unwrap())
            }),
            Arc::new(Service {
                protocol: Protocol::Udp,
                mode: Mode::Tunnel,
                scheduler: Scheduler::Sh,
                servers: vec![server("7", "[2001:db8::1]:53", 1)],
                ..Service::new("dns.v6", "[2001:db8::99]:53".parse().unwrap())
            }),
        ],
        ..Config::default()
    };
    assert_eq!(read(text), Ok(expected));
}

/// The blocks of YAML in the documentation of the module.
fn documented() -> Vec<String> {
    let source = include_str!("../../src/config/mod.rs");
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n");
    let text = text.collect::<String>();
    text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap().into()).collect()
}

#[test]
fn what_the_documentation_shows() {
    let [file, checks] = &documented()[..] else { panic!("{:?}", documented()) };
    assert_eq!(read(file).unwrap().services[0].servers.len(), 2);

    // As the checks of some servers, with files that every host has.
    let checks = checks.replace("/usr/local/bin/check", "/bin/true");
    let checks = checks.replace("/etc/lb/ca.pem", "/etc/passwd");
    let mut text = "interfaces: [eth0]\nservices:\n- name: web\n  address: 192.168.0.99:80\n  \
                    mode: dr\n  servers:\n"
        .to_owned();
    for (number, check) in checks.split("- {").skip(1).enumerate() {
        let check = check.replace('\n', " ");
        let check = check.split('#').next().unwrap();
        let server = format!("name: s{number}, address: 192.168.0.{number}:80");
        text += &format!("  - {{ {server}, check: {{ {check} }}\n");
    }
    let config = read(&text).unwrap();
    let own = |server: &&Server| matches!(server.check, ServerCheck::Own(_));
    assert_eq!(config.services[0].servers.iter().filter(own).count(), 8);
}

#[test]
fn defaults() {
    let config = read("interfaces: [eth0]\nservices: []\n").unwrap();
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.services, []);

    let config = read(&one_service("mode: dr", "192.168.0.102:80")).unwrap();
    let service = &config.services[0];
    assert_eq!(service.protocol, Protocol::Tcp);
    assert_eq!(service.scheduler, Scheduler::Wrr);
    assert_eq!(service.servers[0].weight, 1);
    assert!(!service.hash_port);
}

#[test]
fn the_words_of_lvs() {
    for (word, mode) in [("masq", Mode::Nat), ("gate", Mode::Dr), ("ipip", Mode::Tunnel)] {
        let text = one_service(&format!("mode: {word}"), "192.168.0.102:80");
        assert_eq!(read(&text).unwrap().services[0].mode, mode, "{word}");
    }
    for flags in ["scheduler: sh, scheduler_flags: [sh-port]", "scheduler: sh, scheduler_flags: []"]
    {
        let text = one_service(&format!("mode: nat, {flags}"), "192.168.0.102:80");
        let hash_port = read(&text).unwrap().services[0].hash_port;
        assert_eq!(hash_port, flags.contains("port"), "{flags}");
    }
}

#[test]
fn families_that_a_tunnel_carries() {
    assert!(read(&one_service("mode: tunnel", "192.168.0.102:80")).is_ok());
    assert!(read(&one_service("mode: tunnel", "[2001:db8::1]:80")).is_ok());
}

#[test]
fn one_address_for_tcp_and_for_udp() {
    let text = "
interfaces: [eth0]
services:
  - { name: a, address: 192.168.0.99:53, protocol: tcp, mode: dr, servers: [] }
  - { name: b, address: 192.168.0.99:53, protocol: udp, mode: dr, servers: [] }
";
    assert_eq!(read(text).unwrap().services.len(), 2);
}

#[test]
fn aliases_windows_line_ends_and_a_byte_order_mark() {
    let text = "\u{feff}interfaces: [eth0]\r\n\
                services:\r\n\
                - &web { name: web, address: 192.168.0.99:80, mode: dr, servers: &s\r\n\
                  [{ name: a, address: 192.168.0.1:80 }] }\r\n\
                - { name: web2, address: 192.168.0.98:80, mode: dr, servers: *s }\r\n";
    let config = read(text).unwrap();
    assert_eq!(config.services[0].servers, config.services[1].servers);
}

#[test]
fn legal_but_suspicious() {
    let text = "
interfaces: [eth0]
services:
  - { name: empty, address: 192.168.0.99:1, mode: nat, servers: [] }
  - name: drained
    address: 192.168.0.99:2
    mode: nat
    servers: [{ name: a, address: 192.168.0.1:2, weight: 0 }]
  - name: ignored
    address: 192.168.0.99:3
    mode: nat
    scheduler: rr
    servers: [{ name: a, address: 192.168.0.1:2, weight: 7 }]
  - name: good
    address: 192.168.0.99:4
    mode: nat
    servers: [{ name: a, address: 192.168.0.1:2, weight: 7 }]
";
    let warnings = read(text).unwrap().warnings();
    let about: Vec<&str> = warnings.iter().filter_map(|w| w.split([' ', ':']).nth(1)).collect();
    assert_eq!(about, ["empty", "drained", "ignored"]);
}

fn one_service(fields: &str, server: &str) -> String {
    format!(
        "interfaces: [eth0]\n\
         services: [{{ name: web, address: 192.168.0.99:80, {fields},\n\
           servers: [{{ name: a, address: \"{server}\" }}] }}]\n"
    )
}
