//! `lb-ctl` as its users run it, against an agent that isn't one.

mod fake;

use fake::{Agent, Run, lb_ctl, run};
use lb_common::api::*;
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

#[test]
fn status_says_what_needs_a_look() {
    let status = Status {
        version: "0.1.0".to_owned(),
        node: "lb1".to_owned(),
        pid: 42,
        uptime: 183_600,
        config: "/etc/lb.yaml".to_owned(),
        pins: "/sys/fs/bpf/lb/v1".to_owned(),
        interfaces: vec![
            Interface {
                name: "eth0".to_owned(),
                attached: AttachMode::Native,
            },
            Interface {
                name: "eth1".to_owned(),
                attached: AttachMode::Generic,
            },
        ],
        services: 2,
        servers: 3,
        warnings: vec!["drain of web/gone has no server".to_owned()],
    };
    let agent = Agent::new(200, &serde_json::to_string(&status).unwrap());
    let expected = "\
lb-agent    0.1.0 on lb1, pid 42, up 2d 3h
config      /etc/lb.yaml
pins        /sys/fs/bpf/lb/v1
interfaces  eth0 (native), eth1 (generic: slow)
services    2 with 3 servers
warning     drain of web/gone has no server
";
    assert_shows(&agent, &["status"], "GET /v1/status", expected);
}

#[test]
fn services_are_listed() {
    let agent = Agent::new(200, &services());
    let expected = "\
SERVICE  ADDRESS           PROTO  MODE  SCHED  UP  SERVERS  ACTIVE  CONNECTIONS
web      192.0.2.1:80      tcp    nat   wrr     1        2      12          345
dns      [2001:db8::1]:53  udp    dr    rr      0        0       0            0
";
    assert_shows(&agent, &["service", "ls"], "GET /v1/services", expected);
}

#[test]
fn a_service_is_shown_with_its_servers() {
    let agent = Agent::new(200, &serde_json::to_string(&web()).unwrap());
    let expected = "\
SERVICE  ADDRESS       PROTO  MODE  SCHED  UP  SERVERS  ACTIVE  CONNECTIONS
web      192.0.2.1:80  tcp    nat   wrr     1        2      12          345

SERVER  ADDRESS             STATE    WEIGHT  CONFIGURED  ACTIVE  CONNECTIONS  NEXT HOP
webA    192.0.2.10:8080     up            5           5      10          300  eth0 02:00:00:00:00:01
b       198.51.100.10:8080  drained       0           1       2           45  eth1 ? via 192.0.2.254
";
    assert_shows(
        &agent,
        &["service", "show", "web"],
        "GET /v1/services/web",
        expected,
    );
    agent.run(&["service", "show", "a/b ?"]);
    assert_eq!(agent.asked().0, "GET /v1/services/a%2Fb%20%3F");
}

#[test]
fn servers_are_listed_for_all_services_or_one() {
    let expected = "\
SERVICE  SERVER  ADDRESS             STATE    WEIGHT  CONFIGURED  ACTIVE  CONNECTIONS  NEXT HOP
web      webA    192.0.2.10:8080     up            5           5      10          300  eth0 02:00:00:00:00:01
web      b       198.51.100.10:8080  drained       0           1       2           45  eth1 ? via 192.0.2.254
";
    let agent = Agent::new(200, &services());
    assert_shows(&agent, &["server", "ls"], "GET /v1/services", expected);
    let agent = Agent::new(200, &serde_json::to_string(&web()).unwrap());
    assert_shows(
        &agent,
        &["server", "ls", "web"],
        "GET /v1/services/web",
        expected,
    );
}

#[test]
fn servers_are_changed() {
    let server = serde_json::to_string(&web().servers[1]).unwrap();
    let rows: &[(&[&str], Value)] = &[
        (&["server", "drain", "web/b"], json!({ "drain": true })),
        (&["server", "enable", "web/b"], json!({ "drain": false })),
        (&["server", "weight", "web/b", "0"], json!({ "weight": 0 })),
        (
            &["server", "weight", "web/b", "1000"],
            json!({ "weight": 1000 }),
        ),
    ];
    for (arguments, change) in rows {
        let agent = Agent::new(200, &server);
        let Run { code, out, err } = agent.run(arguments);
        let expected = "web/b: drained, weight 0 (1 in the configuration), 2 active connections\n";
        assert_eq!((code, &*out, &*err), (Some(0), expected, ""));
        let (line, body) = agent.asked();
        assert_eq!(line, "PATCH /v1/services/web/servers/b");
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), *change);
    }
}

#[test]
fn connections_are_selected_and_listed() {
    let answer = Connections {
        total: 7,
        connections: vec![Connection {
            protocol: Protocol::Tcp,
            client: "203.0.113.7:40000".parse().unwrap(),
            address: "192.0.2.1:80".parse().unwrap(),
            service: "web".to_owned(),
            server: "webA".to_owned(),
            server_address: "192.0.2.10:8080".parse().unwrap(),
            state: "established".to_owned(),
            idle: 1,
            expires: 899,
        }],
    };
    let agent = Agent::new(200, &serde_json::to_string(&answer).unwrap());
    let Run { code, out, err } = agent.run(&["connections"]);
    let expected = "\
PROTO  STATE         IDLE  EXPIRES  CLIENT             VIRTUAL       SERVER    DESTINATION
tcp    established  00:01    14:59  203.0.113.7:40000  192.0.2.1:80  web/webA  192.0.2.10:8080
";
    assert_eq!(out, expected);
    assert_eq!(
        (code, &*err),
        (Some(0), "1 of 7 connections; --limit N shows more\n")
    );
    assert_eq!(agent.asked().0, "GET /v1/connections?limit=1000");
    agent.run(&["connections", "--service", "a&b", "--limit", "5"]);
    assert_eq!(agent.asked().0, "GET /v1/connections?service=a%26b&limit=5");
    agent.run(&["connections", "--server", "web/webA"]);
    assert_eq!(
        agent.asked().0,
        "GET /v1/connections?service=web&server=webA&limit=1000"
    );
}

#[test]
fn stats_per_service_and_server() {
    let agent = Agent::new(200, &services());
    let expected = "\
SERVICE  SERVER  CONNECTIONS  PACKETS IN  BYTES IN  PACKETS OUT  BYTES OUT
web      (all)           345        1000   123000K          900   4000000M
web      webA            300           0         0            0          0
web      b                45           0         0            0          0
dns      (all)             0           0         0            -          -
";
    assert_shows(&agent, &["stats"], "GET /v1/services", expected);
}

#[test]
fn drops_in_words_the_worst_first() {
    let agent = Agent::new(
        200,
        &reasons(&[
            ("to-server", 9),
            ("no-server", 3),
            ("not-ip", 4),
            ("no-route", 1),
            ("no-headroom", 2),
            ("server-gone", 0),
        ]),
    );
    let lost = "\
OUTCOME   PACKETS  REASON       IN WORDS
dropped         2  no-headroom  no room in front of the packet for a longer header
dropped         1  no-route     no route to the client
answered        3  no-server    the service has no server that takes new flows
";
    assert_shows(&agent, &["drops"], "GET /v1/reasons", lost);
    let all = "\
OUTCOME    PACKETS  REASON       IN WORDS
dropped          2  no-headroom  no room in front of the packet for a longer header
dropped          1  no-route     no route to the client
answered         3  no-server    the service has no server that takes new flows
passed           4  not-ip       not IPv4 or IPv6 (ARP, for example)
forwarded        9  to-server    from a client to a server
";
    assert_shows(&agent, &["drops", "--all"], "GET /v1/reasons", all);

    let agent = Agent::new(200, &reasons(&[("to-server", 9), ("no-route", 0)]));
    let none = "no packet was dropped since the data plane was loaded\n";
    assert_shows(&agent, &["drops"], "GET /v1/reasons", none);
}

#[test]
fn a_good_file() {
    let agent = Agent::new(200, "[]");
    let file = agent.folder.path().join("lb config.yaml");
    fs::write(&file, "services: []\n").unwrap();
    let file = file.to_str().unwrap();
    let Run { code, out, err } = agent.run(&["check", file]);
    assert_eq!((code, out, &*err), (Some(0), format!("{file}: good\n"), ""));
    let (line, body) = agent.asked();
    let name = file.replace('/', "%2F").replace(' ', "%20");
    assert_eq!(line, format!("POST /v1/check?path={name}"));
    assert_eq!(body, b"services: []\n");
}

#[test]
fn a_file_with_problems() {
    let problems = json!([{
        "file": "lb.yaml", "line": 3, "column": 5, "field": "services[0].mode",
        "message": "unknown mode `\u{1b}[31mbridge`: nat, dr or tunnel"
    }]);
    let agent = Agent::new(200, &problems.to_string());
    let Run { code, out, err } = agent.run(&["check", "-"]);
    let expected = "lb.yaml:3:5: services[0].mode: \
                    unknown mode `\\u{1b}[31mbridge`: nat, dr or tunnel\n";
    assert_eq!((code, &*out, &*err), (Some(1), expected, "1 problem\n"));
    assert_eq!(
        agent.asked(),
        ("POST /v1/check?path=%3Cstdin%3E".to_owned(), vec![])
    );
    let Run { code, out, err } = agent.run(&["check", "-", "-o", "json"]);
    assert_eq!((code, &*err), (Some(1), ""));
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), problems);
}

#[test]
fn a_file_that_cannot_be_read() {
    let agent = Agent::new(200, "[]");
    let Run { code, out, err } = agent.run(&["check", "/nonexistent/lb.yaml"]);
    let expected =
        "lb-ctl: cannot read /nonexistent/lb.yaml: No such file or directory (os error 2)\n";
    assert_eq!((code, &*out, &*err), (Some(1), "", expected));
}

#[test]
fn endless_files_are_refused() {
    let agent = Agent::new(200, "[]");
    let Run { code, err, .. } = agent.run(&["check", "/dev/zero"]);
    assert_eq!(
        (code, &*err),
        (Some(1), "lb-ctl: /dev/zero is too large: 16 MiB at most\n")
    );
}

#[test]
fn detach_says_so() {
    let agent = Agent::raw("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
    let expected = "the data plane is down, and the agent ends\n";
    let Run { code, out, err } = agent.run(&["detach"]);
    assert_eq!((code, &*out, &*err), (Some(0), expected, ""));
    assert_eq!(agent.asked().0, "POST /v1/detach");
    let Run { code, out, err } = agent.run(&["detach", "-o", "json"]);
    assert_eq!((code, &*out, &*err), (Some(0), "", ""));
}

#[test]
fn json_is_the_agents_answer() {
    // Fields that this version doesn't know, in an order of their own.
    let answer = r#"[{"words":"no \"route\"","packets":18446744073709551615,"more":[],
        "outcome":"dropped","reason":"no-route"}]"#;
    let agent = Agent::new(200, answer);
    let Run { code, out, err } = agent.run(&["-o", "json", "drops"]);
    let expected = r#"[
  {
    "words": "no \"route\"",
    "packets": 18446744073709551615,
    "more": [],
    "outcome": "dropped",
    "reason": "no-route"
  }
]
"#;
    assert_eq!((code, &*out, &*err), (Some(0), expected, ""));
}

#[test]
fn refusals_are_told() {
    let agent = Agent::new(404, r#"{"error":"unknown service \"wbe\": known: web"}"#);
    for format in ["table", "json"] {
        let Run { code, out, err } = agent.run(&["service", "show", "wbe", "-o", format]);
        let expected = "lb-ctl: unknown service \"wbe\": known: web\n";
        assert_eq!((code, &*out, &*err), (Some(1), "", expected));
    }
    let agent = Agent::new(503, r#"{"error":"the agent is stopping"}"#);
    let Run { code, err, .. } = agent.run(&["status"]);
    assert_eq!((code, &*err), (Some(3), "lb-ctl: the agent is stopping\n"));
}

#[test]
fn an_agent_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent.sock");
    let missing = run(lb_ctl().args(["status", "--socket"]).arg(&socket));
    // What a killed agent leaves behind; this time named by the environment.
    drop(UnixListener::bind(&socket).unwrap());
    let stale = run(lb_ctl().arg("status").env("LB_SOCKET", &socket));
    let expected = format!(
        "lb-ctl: no lb-agent answers at {}: is it running?",
        socket.display()
    );
    for Run { code, out, err } in [missing, stale] {
        assert_eq!((code, &*out), (Some(3), ""));
        assert!(err.starts_with(&expected), "{err}");
    }
}

#[test]
fn a_socket_that_is_not_ours_to_use() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    let agent = Agent::new(200, "[]");
    let mut command = agent.command();
    fs::set_permissions(agent.folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    fs::set_permissions(agent.socket(), PermissionsExt::from_mode(0o660)).unwrap();
    // Root may do everything, so the command runs as nobody, from a place that nobody can read.
    if chown(agent.socket(), Some(0), Some(0)).is_ok() {
        let copy = agent.folder.path().join("lb-ctl");
        fs::copy(env!("CARGO_BIN_EXE_lb-ctl"), &copy).unwrap();
        command = std::process::Command::new(copy);
        command
            .arg("--socket")
            .arg(agent.socket())
            .uid(65534)
            .gid(65534);
    } else {
        fs::set_permissions(agent.socket(), PermissionsExt::from_mode(0o000)).unwrap();
    }
    let Run { code, out, err } = run(command.current_dir("/").arg("status"));
    assert_eq!((code, &*out), (Some(3), ""), "{err}");
    let expected = format!(
        "lb-ctl: permission denied at {}: run",
        agent.socket().display()
    );
    assert!(err.starts_with(&expected), "{err}");
}

#[test]
fn answers_that_are_none() {
    let rows = [
        ("", "gave no whole answer"),
        ("SSH-2.0-OpenSSH\r\n", "gave no whole answer"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[",
            "gave no whole answer",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "doesn't speak like an lb-agent",
        ),
        (
            "HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops",
            "doesn't speak like an lb-agent",
        ),
    ];
    for (answer, words) in rows {
        for format in ["table", "json"] {
            let Run { code, out, err } = Agent::raw(answer).run(&["stats", "-o", format]);
            assert_eq!((code, &*out), (Some(3), ""), "{answer:?}");
            assert!(err.contains(words), "{answer:?} gave {err}");
        }
    }
}

#[test]
fn an_agent_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let Run { code, err, .. } = run(lb_ctl()
        .args(["--timeout", "1", "status", "--socket"])
        .arg(&socket));
    let expected = format!(
        "lb-ctl: no answer from the lb-agent at {} within 1 s\n",
        socket.display()
    );
    assert_eq!((code, err), (Some(3), expected));
}

#[test]
fn wrong_command_lines() {
    let rows: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["wash"], "unrecognized subcommand"),
        (&["server", "drain", "webA"], "expected SERVICE/SERVER"),
        (
            &["server", "weight", "web/webA", "1001"],
            "1001 is not in 0..=1000",
        ),
        (
            &["server", "weight", "web/webA", "-1"],
            "unexpected argument",
        ),
        (&["server", "weight", "web/webA", "many"], "invalid digit"),
        (&["service", "show", ""], "a value is required"),
        (
            &["connections", "--service", "web", "--server", "web/webA"],
            "cannot be used with",
        ),
        (&["status", "-o", "xml"], "[possible values: table, json]"),
    ];
    for (arguments, words) in rows {
        let Run { code, out, err } = run(lb_ctl().args(*arguments));
        assert_eq!((code, &*out), (Some(2), ""), "{arguments:?}");
        assert!(err.contains(words), "{arguments:?} gave {err}");
    }
}

#[test]
fn help_documents_the_exit_codes() {
    let Run { code, out, .. } = run(lb_ctl().arg("--help"));
    assert_eq!(code, Some(0));
    for words in [
        "Exit codes:",
        "3  no agent is there",
        "LB_SOCKET",
        "/run/lb/agent.sock",
    ] {
        assert!(out.contains(words), "{out}");
    }
}

#[test]
fn who_stops_reading_causes_no_panic() {
    let services: Vec<_> = std::iter::repeat_n(web(), 10_000).collect();
    let agent = Agent::new(200, &serde_json::to_string(&services).unwrap());
    for format in ["table", "json"] {
        let mut child = agent
            .command()
            .args(["server", "ls", "-o", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), &*output.stderr),
            (Some(0), b"".as_slice())
        );
    }
}

#[track_caller]
fn assert_shows(agent: &Agent, arguments: &[&str], request: &str, expected: &str) {
    let Run { code, out, err } = agent.run(arguments);
    assert_eq!((code, &*err), (Some(0), ""));
    assert_eq!(out, expected, "\n{out}");
    assert_eq!(agent.asked(), (request.to_owned(), vec![]));
}

fn services() -> String {
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

fn web() -> Service {
    let connections = |connections| Stats {
        connections,
        ..Stats::default()
    };
    let server = |name: &str| Server {
        name: name.to_owned(),
        service: "web".to_owned(),
        address: "192.0.2.10:8080".parse().unwrap(),
        weight: 5,
        configured_weight: 5,
        state: ServerState::Up,
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
                configured_weight: 1,
                state: ServerState::Drained,
                next_hop: Some(NextHop {
                    interface: "eth1".to_owned(),
                    gateway: Some("192.0.2.254".parse().unwrap()),
                    mac: None,
                }),
                active: 2,
                stats: connections(45),
                ..server("b")
            },
        ],
    }
}

/// These reasons with these counts, as the agent would list them.
fn reasons(counts: &[(&str, u64)]) -> String {
    use lb_common::reason::Reason;
    let list: Vec<_> = counts
        .iter()
        .map(|(name, packets)| {
            let reason = Reason::ALL
                .iter()
                .find(|reason| reason.name() == *name)
                .unwrap();
            ReasonCount {
                reason: reason.name().to_owned(),
                outcome: reason.outcome().word().to_owned(),
                words: reason.words().to_owned(),
                packets: *packets,
            }
        })
        .collect();
    serde_json::to_string(&list).unwrap()
}
