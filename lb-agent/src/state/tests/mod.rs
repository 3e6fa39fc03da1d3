mod any;
mod scale;

use super::*;
use crate::config::{Config, Server, Service, parse};
use lb_common::api::{AdminState, MAX_WEIGHT, ResetQuery, ServerChange};
use std::net::SocketAddr;
use std::sync::Arc;

const FILE: &str = r#"
interfaces: [eth0]
limits: { services: 5, servers: 7 }
services:
  - name: web
    address: 192.0.2.1:80
    mode: dr
    fallback: 192.0.2.9:80
    servers:
      - { name: a, address: 192.0.2.11:80, weight: 7 }
      - { name: b, address: 192.0.2.12:80 }
  - { name: dns, address: 192.0.2.1:53, protocol: udp, mode: nat, servers: [] }
"#;

const NONE: ServerChange = ServerChange { weight: None, admin: None, deadline: None };
const DRAIN: ServerChange = ServerChange { admin: Some(AdminState::Drained), ..NONE };
const ENABLE: ServerChange = ServerChange { admin: Some(AdminState::Enabled), ..NONE };

fn weight(weight: u32) -> ServerChange {
    ServerChange { weight: Some(weight), ..NONE }
}

fn file(text: &str) -> Config {
    parse("lb.yaml", text, &|_| true).unwrap()
}

fn server(name: &str, host: u8) -> Server {
    Server::new(name, ([192, 0, 2, host], 80).into(), 1)
}

fn service(name: &str, address: &str) -> Service {
    Service::new(name, address.parse::<SocketAddr>().unwrap())
}

fn changed(edits: &Edits, place: (&str, &str), change: ServerChange) -> Edits {
    edits.change_server(place.0, place.1, change, 1000).unwrap()
}

/// Services with their servers and the weights that these have in force.
fn shape(config: &Config) -> String {
    let services = config.services.iter().map(|service| {
        let server = |server: &Server| format!(" {}:{}", server.name, server.weight_in_force());
        service.name.clone() + &service.servers.iter().map(server).collect::<String>()
    });
    services.collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn assert_applied(edits: &Edits, expected: &str, conflicts: &[&str]) {
    let applied = edits.apply(&file(FILE));
    assert_eq!(shape(&applied.config), expected);
    assert_eq!(applied.conflicts.len(), conflicts.len(), "{:?}", applied.conflicts);
    for (found, expected) in applied.conflicts.iter().zip(conflicts) {
        assert!(found.contains(expected), "{found:?} instead of {expected:?}");
    }
}

#[test]
fn weight_in_force() {
    let rows: &[(&[ServerChange], u32)] = &[
        (&[], 7),
        (&[weight(3)], 3),
        (&[weight(3), weight(0)], 0),
        (&[weight(MAX_WEIGHT)], MAX_WEIGHT),
        (&[DRAIN], 0),
        (&[ENABLE], 7),
        (&[DRAIN, ENABLE], 7),
        (&[weight(3), DRAIN], 0),
        (&[weight(3), DRAIN, ENABLE], 3),
        (&[DRAIN, weight(3)], 0),
        (&[DRAIN, weight(3), ENABLE], 3),
        (&[weight(0), DRAIN, ENABLE], 0),
        (&[ServerChange { weight: Some(4), ..DRAIN }, ENABLE], 4),
    ];
    for (changes, expected) in rows {
        let edits = changes
            .iter()
            .fold(Edits::default(), |edits, change| changed(&edits, ("web", "a"), *change));
        assert_applied(&edits, &format!("web a:{expected} b:1, dns"), &[]);
    }
}

#[test]
fn refused_changes() {
    let edits = Edits::default();
    let refused = |server, change| edits.change_server("web", server, change, 0).unwrap_err();
    assert_eq!(refused("a", NONE), ChangeError::Nothing);
    let too_heavy = refused("a", ServerChange { weight: Some(1001), ..DRAIN });
    assert_eq!(too_heavy.to_string(), "weight 1001 is out of range: a weight is 0 to 1000");
    let deadline = Some(5);
    assert_eq!(refused("a", ServerChange { deadline, ..NONE }), ChangeError::Deadline);
    assert_eq!(refused("a", ServerChange { deadline, ..ENABLE }), ChangeError::Deadline);
    assert_eq!(refused("fallback", DRAIN), ChangeError::Fallback);
    let query = ResetQuery { service: None, server: Some("a".to_owned()) };
    assert_eq!(edits.reset(&query), Err(ChangeError::NoService));
}

#[test]
fn a_drain_ends() {
    let until = ServerChange { deadline: Some(300), ..DRAIN };
    let edits = changed(&Edits::default(), ("web", "a"), until);
    assert_eq!(edits.deadline("web", "a"), Some(1300));
    assert_eq!(edits.deadlines().collect::<Vec<_>>(), [("web", "a", 1300)]);
    assert_eq!(changed(&edits, ("web", "a"), weight(3)).deadline("web", "a"), Some(1300));
    assert_eq!(changed(&edits, ("web", "a"), DRAIN).deadline("web", "a"), None);
    assert_eq!(changed(&edits, ("web", "a"), ENABLE).deadline("web", "a"), None);
    assert_eq!(edits.prune(&file(&FILE.replace("weight: 7", "weight: 7, admin: drained"))), edits);
}

#[test]
fn services_and_servers_come_and_go() {
    let none = Edits::default();
    let added = none.add_service(service("new", "192.0.2.2:80")).add_server("web", server("c", 13));
    assert_applied(&added, "web a:7 b:1 c:1, dns, new", &[]);
    let more = changed(&added.add_server("new", server("x", 14)), ("new", "x"), weight(5));
    assert_applied(&more, "web a:7 b:1 c:1, dns, new x:5", &[]);
    assert_applied(&more.remove_server("web", "c"), "web a:7 b:1, dns, new x:5", &[]);
    assert_applied(&more.remove_service("new"), "web a:7 b:1 c:1, dns", &[]);

    assert_applied(&none.remove_server("web", "a"), "web b:1, dns", &[]);
    let back = none.remove_server("web", "a").add_server("web", server("a", 15));
    assert_applied(&back, "web b:1 a:1, dns", &["web/a was added at run time, and the file"]);
    assert_applied(&changed(&none, ("web", "a"), DRAIN).remove_service("web"), "dns", &[]);
}

#[test]
fn what_the_file_contradicts() {
    let none = Edits::default();
    let unchanged = "web a:7 b:1, dns";
    let rows = [
        (changed(&none, ("web", "x"), DRAIN), unchanged, "web/x was changed"),
        (changed(&none, ("old", "x"), DRAIN), unchanged, "service old was changed"),
        (none.add_server("web", server("x", 12)), unchanged, "server b has its address"),
        (none.add_server("web", server("x", 9)), unchanged, "server fallback has its address"),
        (
            none.add_server("web", Server::new("x", ([192, 0, 2, 13], 81).into(), 1)),
            unchanged,
            "web/x was added at run time, but has no effect: mode dr leaves the port",
        ),
        (
            none.add_service(service("x", "192.0.2.1:80")),
            unchanged,
            "service x was added at run time, but has no effect: another service has its address",
        ),
        (
            none.add_service(service("dns", "192.0.2.1:54")),
            "web a:7 b:1, dns",
            "service dns was added at run time, and the file has another definition",
        ),
    ];
    for (edits, expected, conflict) in rows {
        assert_applied(&edits, expected, &[conflict]);
        assert_eq!(edits.prune(&file(FILE)), edits, "kept: {conflict}");
    }
}

#[test]
fn what_the_limits_leave_no_room_for() {
    let none = Edits::default();
    let servers = (20..25).fold(none.clone(), |edits, host| {
        edits.add_server("web", server(&format!("s{host}"), host))
    });
    assert_applied(
        &servers,
        "web a:7 b:1 s20:1 s21:1 s22:1 s23:1, dns",
        &["s24 was added at run time, but has no effect: limits.servers"],
    );
    let services = (1..=4).fold(none, |edits, number| {
        edits.add_service(service(&format!("n{number}"), &format!("192.0.2.{}:80", 100 + number)))
    });
    let conflict = "n4 was added at run time, but has no effect: limits.services";
    assert_applied(&services, "web a:7 b:1, dns, n1, n2, n3", &[conflict]);
}

#[test]
fn what_says_no_more_than_the_file_is_forgotten() {
    let none = Edits::default();
    let dns = file(FILE).services[1].clone();
    let web = file(FILE).services[0].clone();
    for edits in [
        changed(&none, ("web", "a"), weight(7)),
        changed(&none, ("web", "a"), ENABLE),
        none.add_service(Service::clone(&dns)),
        none.add_server("web", web.servers[1].clone()),
        none.remove_service("gone"),
        none.remove_server("web", "gone"),
        none.add_service(service("new", "192.0.2.2:80")).remove_service("new"),
        none.add_server("web", server("c", 13)).remove_server("web", "c"),
        none.remove_service("dns").add_service(Service::clone(&dns)),
    ] {
        assert_eq!(edits.prune(&file(FILE)), none);
    }
}

#[test]
fn a_file_that_was_saved_leaves_only_drains_that_end() {
    let edits = Edits::default()
        .add_service(service("new", "192.0.2.2:80"))
        .add_server("new", server("z", 20))
        .add_server("new", server("x", 21))
        .add_server("web", server("c", 13));
    let edits = changed(&changed(&edits, ("new", "z"), weight(5)), ("web", "c"), weight(6));
    let running = edits.apply(&file(FILE)).config;
    assert!(edits.prune(&running).is_empty());
    assert_eq!(edits.prune(&running).apply(&running).conflicts, [""; 0]);

    let until = ServerChange { deadline: Some(5), ..DRAIN };
    let edits = changed(&edits, ("new", "z"), until);
    let left = edits.prune(&edits.apply(&file(FILE)).config);
    assert_eq!(left, changed(&Edits::default(), ("new", "z"), until));
}

#[test]
fn going_back() {
    let edits = changed(&Edits::default(), ("web", "a"), DRAIN);
    let edits = changed(&edits, ("web", "b"), DRAIN).remove_service("dns");
    let reset = |service: Option<&str>, server: Option<&str>| {
        let (service, server) = (service.map(str::to_owned), server.map(str::to_owned));
        edits.reset(&ResetQuery { service, server }).unwrap()
    };
    assert_applied(&reset(Some("web"), Some("a")), "web a:7 b:0", &[]);
    assert_applied(&reset(Some("web"), None), "web a:7 b:1", &[]);
    assert_applied(&reset(Some("dns"), None), "web a:0 b:0, dns", &[]);
    assert_eq!(reset(Some("gone"), None), edits);
    assert_eq!(reset(None, None), Edits::default());
}

#[test]
fn services_that_were_not_changed_are_the_files_own() {
    let file = file(FILE);
    let applied = changed(&Edits::default(), ("web", "a"), DRAIN).apply(&file);
    assert!(!Arc::ptr_eq(&applied.config.services[0], &file.services[0]));
    assert!(Arc::ptr_eq(&applied.config.services[1], &file.services[1]));
}
