//! `lb-ctl events`.

use crate::fake::{Agent, DEADLINE, Run, request};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::sync::mpsc::channel;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n\r\n";

const DOWN: &str = concat!(
    r#"{"sequence":1,"time":1767323045678,"kind":"health","service":"web","#,
    r#""server":"webA","message":"down: connection refused"}"#,
    "\n"
);

const SERVICE: &str = concat!(
    r#"{"sequence":2,"time":1767323046000,"kind":"service","service":"web","#,
    r#""message":"nobody \u001b[31m\nserves"}"#,
    "\n"
);

const AGENT: &str =
    "{\"sequence\":3,\"time\":1767323047000,\"kind\":\"agent\",\"message\":\"began\"}\n";

#[test]
fn events_are_lines() {
    let agent = Agent::raw(&format!("{HEAD}{DOWN}{SERVICE}{AGENT}"));
    let Run { code, out, err } = agent.run(&["events"]);
    let expected = "\
2026-01-02T03:04:05.678Z  health  web/webA  down: connection refused
2026-01-02T03:04:06.000Z  service  web  nobody \\u{1b}[31m serves
2026-01-02T03:04:07.000Z  agent  -  began
";
    assert_eq!((code, &*out, &*err), (Some(0), expected, ""));
    assert_eq!(agent.asked().0, "GET /v1/events?after=0&follow=false");
    let Run { code, out, err } = agent.run(&["events", "--after", "7", "-o", "json"]);
    assert_eq!((code, out, &*err), (Some(0), format!("{DOWN}{SERVICE}{AGENT}"), ""));
    assert_eq!(agent.asked().0, "GET /v1/events?after=7&follow=false");
    let Run { code, out, err } = Agent::raw(HEAD).run(&["events"]);
    assert_eq!((code, &*out, &*err), (Some(0), "", ""));
}

#[test]
fn answers_that_are_no_events() {
    let endless = format!("{HEAD}{}", "x".repeat(2 << 20));
    for answer in [&format!("{HEAD}{DOWN}[]\n"), &endless] {
        let Run { code, err, .. } = Agent::raw(answer).run(&["events"]);
        assert_eq!(code, Some(3));
        assert!(err.contains("doesn't speak like an lb-agent"), "{err}");
    }
    let refusal = r#"{"error":"32 clients follow the events already"}"#;
    let Run { code, err, .. } = Agent::new(429, refusal).run(&["events", "--follow"]);
    assert_eq!((code, &*err), (Some(1), "lb-ctl: 32 clients follow the events already\n"));
}

#[test]
fn following_shows_events_at_once_until_the_agent_stops() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut child = crate::fake::lb_ctl()
        .args(["--timeout", "1", "events", "--follow", "--socket"])
        .arg(&socket)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut agent, _) = listener.accept().unwrap();
    assert_eq!(request(&mut agent).0, "GET /v1/events?after=0&follow=true");
    let (sender, lines) = channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || out.lines().for_each(|l| sender.send(l).unwrap()));

    agent.write_all(HEAD.as_bytes()).unwrap();
    // An event may come in pieces.
    let (first, rest) = DOWN.split_at(20);
    agent.write_all(first.as_bytes()).unwrap();
    agent.write_all(rest.as_bytes()).unwrap();
    let line = lines.recv_timeout(DEADLINE).unwrap().unwrap();
    assert_eq!(line, "2026-01-02T03:04:05.678Z  health  web/webA  down: connection refused");
    // Longer than --timeout, which isn't for what comes later.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    agent.write_all(AGENT.as_bytes()).unwrap();
    let line = lines.recv_timeout(DEADLINE).unwrap().unwrap();
    assert_eq!(line, "2026-01-02T03:04:07.000Z  agent  -  began");

    drop(agent);
    let status = child.wait().unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    let expected = format!("lb-ctl: the lb-agent at {} has stopped\n", socket.display());
    assert_eq!((status.code(), err), (Some(3), expected));
    reader.join().unwrap();
}
