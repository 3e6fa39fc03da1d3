//! `lb-ctl` as its users run it, against an agent that isn't one.

mod changes;
mod check;
mod commands;
mod drain;
mod events;
mod fake;
mod file;
mod samples;

use fake::{Agent, DEADLINE, Run, lb_ctl, run};
use samples::web;
use std::fs;
use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

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
    // Another test's thread that is about to run a command may share it for a moment.
    let deadline = Instant::now() + DEADLINE;
    while UnixStream::connect(&socket).is_ok() {
        assert!(Instant::now() < deadline, "somebody still listens");
        sleep(Duration::from_millis(5));
    }
    let stale = run(lb_ctl().arg("status").env("LB_SOCKET", &socket));
    let expected = format!("lb-ctl: no lb-agent answers at {}: is it running?", socket.display());
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
        // By a process of its own: were the copy open for writing here, a fork of another test's
        // thread could keep it open, and it couldn't be run.
        let copied =
            Command::new("cp").arg(env!("CARGO_BIN_EXE_lb-ctl")).arg(&copy).status().unwrap();
        assert!(copied.success());
        command = Command::new(copy);
        command.arg("--socket").arg(agent.socket()).uid(65534).gid(65534);
    } else {
        fs::set_permissions(agent.socket(), PermissionsExt::from_mode(0o000)).unwrap();
    }
    let Run { code, out, err } = run(command.current_dir("/").arg("status"));
    assert_eq!((code, &*out), (Some(3), ""), "{err}");
    let expected = format!("lb-ctl: permission denied at {}: run", agent.socket().display());
    assert!(err.starts_with(&expected), "{err}");
}

#[test]
fn answers_that_are_none() {
    let rows = [
        ("", "gave no whole answer"),
        ("SSH-2.0-OpenSSH\r\n", "gave no whole answer"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[", "gave no whole answer"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "doesn't speak like an lb-agent"),
        ("HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops", "doesn't speak like an lb-agent"),
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
    let Run { code, err, .. } =
        run(lb_ctl().args(["--timeout", "1", "status", "--socket"]).arg(&socket));
    let expected =
        format!("lb-ctl: no answer from the lb-agent at {} within 1 s\n", socket.display());
    assert_eq!((code, err), (Some(3), expected));
}

#[test]
fn an_agent_whose_queue_is_full_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent.sock");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _waiting = runtime.block_on(async {
        let listener = tokio::net::UnixSocket::new_stream().unwrap();
        listener.bind(&socket).unwrap();
        let listener = listener.listen(1).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = tokio::net::UnixStream::connect(&socket).await {
            waiting.push(stream);
        }
        (listener, waiting)
    });
    // Until its patience ends, and not just once.
    let Run { code, err, .. } =
        run(lb_ctl().args(["--timeout", "1", "drops", "--socket"]).arg(&socket));
    let expected =
        format!("lb-ctl: no answer from the lb-agent at {} within 1 s\n", socket.display());
    assert_eq!((code, err), (Some(3), expected));
}

#[test]
fn wrong_command_lines() {
    let rows: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["wash"], "unrecognized subcommand"),
        (&["server", "drain", "webA"], "expected SERVICE/SERVER"),
        (&["server", "weight", "web/webA", "1001"], "1001 is not in 0..=1000"),
        (&["server", "weight", "web/webA", "-1"], "unexpected argument"),
        (&["server", "weight", "web/webA", "many"], "invalid digit"),
        (&["service", "show", ""], "a value is required"),
        (&["service", "add"], "--mode <MODE>"),
        (&["service", "add", "web", "192.0.2.1:80"], "--mode <MODE>"),
        (&["service", "add", "web", "192.0.2.1:80", "--mode", "dsr"], "[possible values: nat, dr"),
        (&["service", "add", "--file", "x", "--persist", "5m"], "cannot be used with"),
        (&["service", "add", "w", "x", "--mode", "dr", "--server", "a"], "expected NAME=ADDRESS"),
        (&["server", "add", "web/a", "x", "--check-field", "a=b"], "--check <TYPE>"),
        (&["server", "drain", "web/webA", "--deadline", "soon"], "such as 90s, 5m, 2h or 1d"),
        (&["server", "drain", "web/webA", "--wait=5w"], "such as 90s, 5m, 2h or 1d"),
        (&["host", "drain", "webA"], "invalid IP address"),
        (&["host", "drain", "192.0.2.11:80"], "invalid IP address"),
        (&["reset", "web/"], "expected SERVICE/SERVER"),
        (&["events", "--after", "x"], "invalid digit"),
        (&["connections", "--service", "web", "--server", "web/webA"], "cannot be used with"),
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
    for words in ["Exit codes:", "3  no agent is there", "LB_SOCKET", "/run/lb/agent.sock"] {
        assert!(out.contains(words), "{out}");
    }
}

#[test]
fn help_has_examples() {
    let rows: &[(&[&str], &str)] = &[
        (&["service", "add"], "lb-ctl service add web 192.0.2.100:80"),
        (&["server", "add"], "lb-ctl server add web/webC"),
        (&["server", "drain"], "--deadline 5m --wait"),
        (&["host", "drain"], "lb-ctl host drain 192.0.2.11"),
    ];
    for (arguments, words) in rows {
        let Run { code, out, .. } = run(lb_ctl().args(*arguments).arg("--help"));
        assert_eq!(code, Some(0));
        assert!(out.contains("Examples:") && out.contains(words), "{out}");
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
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), b"".as_slice()));
    }
}
