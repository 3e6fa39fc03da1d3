//! What each command asks, and what it shows.

use crate::fake::{Agent, NOTHING, Run};
use crate::samples::{services, web};
use lb_common::api::*;
use lb_common::reason::Reason;

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
            Interface { name: "eth0".to_owned(), attached: AttachMode::Native },
            Interface { name: "eth1".to_owned(), attached: AttachMode::Generic },
        ],
        services: 2,
        servers: 3,
        warnings: vec!["drain of web/gone has no server".to_owned()],
    };
    let agent = Agent::new(200, &serde_json::to_string(&status).unwrap());
    let expected = "\
lb-agent    0.1.0 on lb1, pid 42, up 2d3h
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
web      192.0.2.1:80      tcp    nat   wrr     1        3      12          345
dns      [2001:db8::1]:53  udp    dr    rr      0        0       0            0
";
    assert_shows(&agent, &["service", "ls"], "GET /v1/services", expected);
}

#[test]
fn a_service_is_shown_with_its_servers() {
    let agent = Agent::new(200, &serde_json::to_string(&web()).unwrap());
    let expected = "\
SERVICE  ADDRESS       PROTO  MODE  SCHED  UP  SERVERS  ACTIVE  CONNECTIONS
web      192.0.2.1:80  tcp    nat   wrr     1        3      12          345

SERVER  ADDRESS             STATE          HEALTH  ROLE    WEIGHT  ACTIVE  CONNECTIONS  NEXT HOP
webA    192.0.2.10:8080     up             up      -            5  10/100          300  eth0 02:00:00:00:00:01
b       198.51.100.10:8080  drained 4m59s  -       backup      0*       2           45  eth1 ? via 192.0.2.254
c*      192.0.2.10:8080     down           down    -            3       0            0  -
";
    assert_shows(&agent, &["service", "show", "web"], "GET /v1/services/web", expected);
    agent.run(&["service", "show", "a/b ?"]);
    assert_eq!(agent.asked().0, "GET /v1/services/a%2Fb%20%3F");
}

#[test]
fn servers_are_listed_for_all_services_or_one() {
    let expected = "\
SERVICE  SERVER  ADDRESS             STATE          HEALTH  ROLE    WEIGHT  ACTIVE  CONNECTIONS  NEXT HOP
web      webA    192.0.2.10:8080     up             up      -            5  10/100          300  eth0 02:00:00:00:00:01
web      b       198.51.100.10:8080  drained 4m59s  -       backup      0*       2           45  eth1 ? via 192.0.2.254
web      c*      192.0.2.10:8080     down           down    -            3       0            0  -
";
    let agent = Agent::new(200, &services());
    assert_shows(&agent, &["server", "ls"], "GET /v1/services", expected);
    let agent = Agent::new(200, &serde_json::to_string(&web()).unwrap());
    assert_shows(&agent, &["server", "ls", "web"], "GET /v1/services/web", expected);
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
    assert_eq!((code, &*err), (Some(0), "1 of 7 connections; --limit N shows more\n"));
    assert_eq!(agent.asked().0, "GET /v1/connections?limit=1000");
    agent.run(&["connections", "--service", "a&b", "--limit", "5"]);
    assert_eq!(agent.asked().0, "GET /v1/connections?service=a%26b&limit=5");
    agent.run(&["connections", "--server", "web/webA"]);
    assert_eq!(agent.asked().0, "GET /v1/connections?service=web&server=webA&limit=1000");
}

#[test]
fn stats_per_service_and_server() {
    let agent = Agent::new(200, &services());
    let expected = "\
SERVICE  SERVER  CONNECTIONS  PACKETS IN  BYTES IN  PACKETS OUT  BYTES OUT
web      (all)           345        1000   123000K          900   4000000M
web      webA            300           0         0            0          0
web      b                45           0         0            0          0
web      c                 0           0         0            0          0
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
    let words = |name: &str| reason(name).words();
    let lost = format!(
        "OUTCOME   PACKETS  REASON       IN WORDS\n\
         dropped         2  no-headroom  {}\n\
         dropped         1  no-route     {}\n\
         answered        3  no-server    {}\n",
        words("no-headroom"),
        words("no-route"),
        words("no-server"),
    );
    assert_shows(&agent, &["drops"], "GET /v1/reasons", &lost);
    let all = format!(
        "OUTCOME    PACKETS  REASON       IN WORDS\n\
         dropped          2  no-headroom  {}\n\
         dropped          1  no-route     {}\n\
         answered         3  no-server    {}\n\
         passed           4  not-ip       {}\n\
         forwarded        9  to-server    {}\n",
        words("no-headroom"),
        words("no-route"),
        words("no-server"),
        words("not-ip"),
        words("to-server"),
    );
    assert_shows(&agent, &["drops", "--all"], "GET /v1/reasons", &all);

    let agent = Agent::new(200, &reasons(&[("to-server", 9), ("no-route", 0)]));
    let none = "no packet was dropped since the data plane was loaded\n";
    assert_shows(&agent, &["drops"], "GET /v1/reasons", none);
}

#[test]
fn detach_says_so() {
    let agent = Agent::raw(NOTHING);
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

#[track_caller]
pub(crate) fn assert_shows(agent: &Agent, arguments: &[&str], request: &str, expected: &str) {
    let Run { code, out, err } = agent.run(arguments);
    assert_eq!((code, &*err), (Some(0), ""));
    assert_eq!(out, expected, "\n{out}");
    assert_eq!(agent.asked(), (request.to_owned(), vec![]));
}

/// These reasons with these counts, as the agent would list them.
fn reasons(counts: &[(&str, u64)]) -> String {
    let list: Vec<_> = counts
        .iter()
        .map(|(name, packets)| {
            let reason = reason(name);
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

fn reason(name: &str) -> Reason {
    *Reason::ALL.iter().find(|reason| reason.name() == name).unwrap()
}
