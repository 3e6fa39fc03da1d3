//! What changes servers, services and hosts.

use crate::commands::assert_shows;
use crate::fake::{Agent, NOTHING, Run};
use crate::samples::web;
use lb_common::api::*;
use serde_json::{Value, json};
use std::fs;

#[test]
fn servers_are_changed() {
    let server = serde_json::to_string(&web().servers[1]).unwrap();
    let rows: &[(&[&str], Value)] = &[
        (&["server", "drain", "web/b"], json!({ "admin": "drained" })),
        (
            &["server", "drain", "web/b", "--deadline", "5m"],
            json!({ "admin": "drained", "deadline": 300 }),
        ),
        (&["server", "enable", "web/b"], json!({ "admin": "enabled" })),
        (&["server", "disable", "web/b"], json!({ "admin": "disabled" })),
        (&["server", "weight", "web/b", "0"], json!({ "weight": 0 })),
        (&["server", "weight", "web/b", "1000"], json!({ "weight": 1000 })),
    ];
    for (arguments, change) in rows {
        let agent = Agent::new(200, &server);
        let Run { code, out, err } = agent.run(arguments);
        let expected = "web/b: drained, weight 0 (1 in the file), 2 active connections, \
                        reset in 4m59s\n";
        assert_eq!((code, &*out, &*err), (Some(0), expected, ""));
        let (line, body) = agent.asked();
        assert_eq!(line, "PATCH /v1/services/web/servers/b");
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), *change);
    }
}

#[test]
fn servers_are_added() {
    let agent = Agent::new(200, &serde_json::to_string(&web().servers[2]).unwrap());
    let rows: &[(&[&str], Value)] = &[
        (&[], json!({})),
        (
            &["--weight", "2", "--backup", "--max-connections", "100", "--check", "off"],
            json!({ "weight": 2, "backup": true, "max_connections": 100, "check": "off" }),
        ),
        (
            &["--check", "http", "--check-field", "path=/a", "--check-field", "rise=3"],
            json!({ "check": { "type": "http", "path": "/a", "rise": 3 } }),
        ),
    ];
    for (options, expected) in rows {
        let arguments = [&["server", "add", "web/c", "192.0.2.13:80"], *options].concat();
        let Run { code, out, err } = agent.run(&arguments);
        let said = "web/c: down, weight 3, not in the file, 0 active connections\n";
        assert_eq!((code, &*out, &*err), (Some(0), said, ""));
        let mut expected = expected.clone();
        expected["name"] = "c".into();
        expected["address"] = "192.0.2.13:80".into();
        assert_asked(&agent, "POST /v1/services/web/servers", &expected);
    }
}

#[test]
fn services_are_added() {
    let agent = Agent::new(200, &serde_json::to_string(&web()).unwrap());
    let all = [
        "service",
        "add",
        "web",
        "[2001:db8::1]:80",
        "--mode",
        "tunnel",
        "--scheduler",
        "wlc",
        "--protocol",
        "tcp",
        "--check",
        "tcp",
        "--persist",
        "300s",
        "--on-down",
        "keep",
        "--slow-start",
        "30s",
        "--fallback",
        "127.0.0.1:80",
        "--server",
        "a=192.0.2.11:80",
        "--server",
        "b=[2001:db8::11]:80",
    ];
    let Run { code, out, err } = agent.run(&all);
    assert_eq!((code, &*err), (Some(0), ""));
    assert!(out.starts_with("SERVICE  ADDRESS ") && out.contains("\nSERVER  ADDRESS "), "{out}");
    let expected = json!({
        "name": "web", "address": "[2001:db8::1]:80", "mode": "tunnel", "scheduler": "wlc",
        "protocol": "tcp", "check": "tcp", "persist": "300s", "on_down": "keep",
        "slow_start": "30s", "fallback": "127.0.0.1:80",
        "servers": [
            { "name": "a", "address": "192.0.2.11:80" },
            { "name": "b", "address": "[2001:db8::11]:80" },
        ],
    });
    assert_asked(&agent, "POST /v1/services", &expected);

    agent.run(&["service", "add", "web", "192.0.2.1:80", "--mode", "dr"]);
    let expected = json!({ "name": "web", "address": "192.0.2.1:80", "mode": "dr", "servers": [] });
    assert_asked(&agent, "POST /v1/services", &expected);
}

#[test]
fn a_service_from_a_file() {
    let agent = Agent::new(200, &serde_json::to_string(&web()).unwrap());
    let file = agent.folder.path().join("web.yaml");
    fs::write(&file, "name: web\n").unwrap();
    let Run { code, err, .. } = agent.run(&["service", "add", "--file", file.to_str().unwrap()]);
    assert_eq!((code, &*err), (Some(0), ""));
    assert_eq!(agent.asked(), ("POST /v1/services".to_owned(), b"name: web\n".to_vec()));
    let Run { code, .. } = agent.run(&["service", "add", "--file", "/dev/null", "-o", "json"]);
    assert_eq!(code, Some(0));
    let Run { code, err, .. } = agent.run(&["service", "add", "--file", "/dev/zero"]);
    let expected = "lb-ctl: /dev/zero: larger than 1 MiB, which no service may be\n";
    assert_eq!((code, &*err), (Some(1), expected));
}

#[test]
fn services_and_servers_are_removed() {
    let rows: &[(&[&str], &str, &str)] = &[
        (&["service", "rm", "a/b"], "DELETE /v1/services/a%2Fb", "a/b: removed\n"),
        (&["server", "rm", "web/c"], "DELETE /v1/services/web/servers/c", "web/c: removed\n"),
    ];
    for (arguments, request, expected) in rows {
        let agent = Agent::raw(NOTHING);
        assert_shows(&agent, arguments, request, expected);
        let Run { code, out, err } = agent.run(&[arguments, &["-o", "json"][..]].concat());
        assert_eq!((code, &*out, &*err), (Some(0), "", ""));
    }
}

#[test]
fn hosts_are_changed() {
    let servers = serde_json::to_string(&web().servers[1..2]).unwrap();
    let table = "\
SERVICE  SERVER  ADDRESS             STATE          HEALTH  ROLE    WEIGHT  ACTIVE  CONNECTIONS  NEXT HOP
web      b       198.51.100.10:8080  drained 4m59s  -       backup      0*       2           45  eth1 ? via 192.0.2.254
";
    let rows: &[(&[&str], Value)] = &[
        (
            &["host", "drain", "2001:db8::1", "--deadline", "90"],
            json!({ "admin": "drained", "deadline": 90 }),
        ),
        (&["host", "enable", "2001:db8::1"], json!({ "admin": "enabled" })),
        (&["host", "disable", "2001:db8::1"], json!({ "admin": "disabled" })),
    ];
    for (arguments, change) in rows {
        let agent = Agent::new(200, &servers);
        let Run { code, out, err } = agent.run(arguments);
        assert_eq!((code, &*out, &*err), (Some(0), table, ""));
        assert_asked(&agent, "PATCH /v1/hosts/2001%3Adb8%3A%3A1", change);
        let Run { code, out, err } = Agent::new(200, "[]").run(arguments);
        let nobody = "no service has a server at 2001:db8::1\n";
        assert_eq!((code, &*out, &*err), (Some(1), "", nobody));
    }
}

#[test]
fn a_server_is_shown_with_its_checks() {
    let detail = ServerDetail {
        server: Server { active: 7, admin: AdminState::Drained, ..web().servers[1].clone() },
        history: Some(Health {
            check: "http GET / on 192.0.2.10:8080 every 2s".to_owned(),
            verdict: Verdict::Down,
            since: 192,
            cause: "connection refused".to_owned(),
            last: vec![
                CheckResult {
                    ago: 1_250,
                    passed: false,
                    latency: 250,
                    cause: "connection refused".to_owned(),
                },
                CheckResult {
                    ago: 193_000,
                    passed: true,
                    latency: 12_345,
                    cause: "HTTP status 200".to_owned(),
                },
            ],
        }),
    };
    let agent = Agent::new(200, &serde_json::to_string(&detail).unwrap());
    let expected = "\
server       web/b
address      198.51.100.10:8080
state        drained 4m59s (drained by its operator)
role         backup
weight       0 (1 in the file)
connections  7 active, 45 in all
next hop     eth1 ? via 192.0.2.254
check        http GET / on 192.0.2.10:8080 every 2s
health       down for 3m12s: connection refused

  AGO  RESULT  LATENCY  CAUSE
 1.2s  failed   0.25ms  connection refused
3m13s  passed  12.34ms  HTTP status 200
";
    let request = "GET /v1/services/web/servers/b";
    assert_shows(&agent, &["server", "show", "web/b"], request, expected);

    let unchecked = ServerDetail { server: web().servers[2].clone(), history: None };
    let agent = Agent::new(200, &serde_json::to_string(&unchecked).unwrap());
    let expected = "\
server       web/c
address      192.0.2.10:8080
state        down
weight       3 (the server isn't in the file)
connections  0 active, 0 in all
next hop     -
check        none: taken to be up
";
    let request = "GET /v1/services/web/servers/c";
    assert_shows(&agent, &["server", "show", "web/c"], request, expected);
}

#[track_caller]
fn assert_asked(agent: &Agent, request: &str, body: &Value) {
    let (line, asked) = agent.asked();
    assert_eq!(line, request);
    assert_eq!(serde_json::from_slice::<Value>(&asked).unwrap(), *body);
}
