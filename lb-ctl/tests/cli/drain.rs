//! Drains that are waited for.

use crate::fake::{Agent, Run, answer};
use crate::samples::web;
use lb_common::api::*;
use serde_json::{Value, json};

#[test]
fn a_drain_is_followed_to_its_end() {
    let agent = Agent::script([(3, None), (3, None), (1, None), (0, None)].map(shown));
    let Run { code, out, err } = agent.run(&["server", "drain", "web/b", "--wait"]);
    let lines: Vec<_> = out.lines().collect();
    let expected = ["web/b: 3 connections left", "web/b: 1 connection left"];
    assert_eq!((code, &lines[..2], &*err), (Some(0), &expected[..], ""));
    assert!(lines[2].starts_with("web/b: drained after ") && lines.len() == 3, "{out}");
    let (line, body) = agent.asked();
    assert_eq!(line, "PATCH /v1/services/web/servers/b");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json!({ "admin": "drained" }));
    assert_eq!(agent.asked().0, "GET /v1/services/web/servers/b");
}

#[test]
fn what_the_deadline_resets_is_counted() {
    let agent = Agent::script([(3, Some(1)), (2, Some(1)), (2, Some(0)), (0, None)].map(shown));
    let Run { code, out, err } =
        agent.run(&["server", "drain", "web/b", "--wait", "--deadline", "1s"]);
    let lines: Vec<_> = out.lines().collect();
    let expected =
        ["web/b: 3 connections left, reset in 1s", "web/b: 2 connections left, reset in 1s"];
    assert_eq!((code, &lines[..2], &*err), (Some(0), &expected[..], ""));
    let end = "web/b: drained after 1s, 2 connections were reset";
    assert_eq!(lines[2..], [end], "{out}");
}

#[test]
fn a_drain_as_lines_of_json() {
    let agent = Agent::script([(3, Some(60)), (0, Some(59))].map(shown));
    let Run { code, out, err } =
        agent.run(&["-o", "json", "server", "drain", "web/b", "--wait", "--deadline", "1m"]);
    assert_eq!((code, &*err), (Some(0), ""));
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = json!({ "elapsed": 0, "active": 3, "deadline": 60, "drained": false, "reset": 0 });
    assert_eq!(lines[0], first);
    assert_eq!(
        (lines.len(), &lines[1]["drained"], &lines[1]["reset"]),
        (2, &json!(true), &json!(0))
    );
}

#[test]
fn waiting_has_an_end_of_its_own() {
    let agent = Agent::script([shown((3, None))]);
    let Run { code, out, err } = agent.run(&["server", "drain", "web/b", "--wait=1s"]);
    assert_eq!((code, &*out), (Some(1), "web/b: 3 connections left\n"));
    assert_eq!(err, "lb-ctl: web/b: 3 connections left after 1s; the drain goes on\n");
}

#[test]
fn a_drain_that_cannot_go_on() {
    let ended = Server { admin: AdminState::Enabled, ..server(3, None) };
    let ended = answer(200, &serde_json::to_string(&ended).unwrap());
    let agent = Agent::script([shown((3, None)), ended]);
    let Run { code, err, .. } = agent.run(&["server", "drain", "web/b", "--wait"]);
    let expected = "lb-ctl: web/b is enabled now: somebody ended the drain\n";
    assert_eq!((code, &*err), (Some(1), expected));

    let gone = answer(404, r#"{"error":"unknown server of web \"b\": there is none"}"#);
    let agent = Agent::script([shown((3, None)), gone]);
    let Run { code, err, .. } = agent.run(&["server", "drain", "web/b", "--wait"]);
    let expected = "lb-ctl: unknown server of web \"b\": there is none\n";
    assert_eq!((code, &*err), (Some(1), expected));
}

#[test]
fn an_agent_that_starts_again_is_waited_for() {
    // Closed without a word, as by an agent that was killed.
    let agent = Agent::script([shown((3, None)), String::new(), shown((0, None))]);
    let Run { code, out, err } = agent.run(&["server", "drain", "web/b", "--wait"]);
    assert_eq!((code, &*err), (Some(0), ""));
    assert!(out.contains("web/b: drained after "), "{out}");
}

#[test]
fn a_host_is_drained_in_all_its_services() {
    let other = Server { service: "mail".to_owned(), ..server(2, None) };
    let both = serde_json::to_string(&[server(1, None), other.clone()]).unwrap();
    let agent = Agent::script([
        answer(200, &both),
        shown((0, None)),
        answer(200, &serde_json::to_string(&Server { active: 0, ..other }).unwrap()),
    ]);
    let Run { code, out, err } = agent.run(&["host", "drain", "198.51.100.10", "--wait"]);
    assert_eq!((code, &*err), (Some(0), ""));
    assert!(out.starts_with("198.51.100.10: 3 connections left\n"), "{out}");
    assert!(out.contains("198.51.100.10: drained after "), "{out}");
    let asked = [(); 3].map(|()| agent.asked().0);
    let expected = [
        "PATCH /v1/hosts/198.51.100.10",
        "GET /v1/services/web/servers/b",
        "GET /v1/services/mail/servers/b",
    ];
    assert_eq!(asked, expected);
}

/// An answer about a server that is drained, with so many connections left and so many seconds
/// until these are reset.
fn shown((active, deadline): (u64, Option<u64>)) -> String {
    let detail = ServerDetail { server: server(active, deadline), history: None };
    answer(200, &serde_json::to_string(&detail).unwrap())
}

fn server(active: u64, deadline: Option<u64>) -> Server {
    Server { active, deadline, ..web().servers[1].clone() }
}
