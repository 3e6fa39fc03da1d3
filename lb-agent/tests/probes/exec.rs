//! Commands on the director.

use crate::{DEADLINE, failed, passed, run};
use lb_agent::health::{
    check::{Exec, Probe},
    probe::{Finding, Prober},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

const USER: &str = "nobody";

fn command(words: &[&str]) -> Probe {
    let command = words.iter().map(|&word| word.to_owned()).collect();
    Probe::Exec(Exec { command, user: USER.into() })
}

fn shell(script: &str) -> Probe {
    command(&["/bin/sh", "-c", script])
}

async fn exec(probe: &Probe) -> Finding {
    run(probe, "[2001:db8::1]:8080".parse().expect("an address")).await
}

/// Waits until something holds.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "not in time: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A folder that the user may write to.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let all = fs::Permissions::from_mode(0o777);
    fs::set_permissions(folder.path(), all).expect("permissions");
    folder
}

fn alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[tokio::test]
async fn the_exit_code_decides() {
    assert_eq!(exec(&command(&["/bin/true"])).await, passed("exit code 0"));
    assert_eq!(exec(&command(&["/bin/false"])).await, failed("exit code 1"));
    let full = shell("echo checking; echo disk full >&2; exit 2");
    assert_eq!(exec(&full).await, failed("exit code 2: disk full"));
    assert_eq!(exec(&shell("echo all is well")).await, passed("exit code 0: all is well"));
    assert_eq!(exec(&shell("kill -SEGV $$")).await, failed("ended by SIGSEGV"));
    assert_eq!(exec(&shell("kill -40 $$")).await, failed("ended by signal 40"));
}

#[tokio::test]
async fn it_runs_as_the_user_with_nothing_of_roots() {
    let nobody = nix::unistd::User::from_name(USER).expect("a look-up").expect("the user");
    let ids = format!("{0} {0} {1} {1} {1}", nobody.uid, nobody.gid);
    let asked = shell("echo $(id -u) $(id -ru) $(id -g) $(id -rg) $(id -G)");
    assert_eq!(exec(&asked).await, passed(&format!("exit code 0: {ids}")));
    let environment = exec(&command(&["/bin/sh", "-c", "echo $(/usr/bin/env -u _ -u PWD)"])).await;
    let words = "LB_SERVER_ADDRESS=2001:db8::1 LB_SERVER_PORT=8080 \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    let said = environment.cause.strip_prefix("exit code 0: ").expect("it passes");
    let mut variables: Vec<_> = said.split(' ').collect();
    variables.sort_unstable();
    assert_eq!(variables.join(" "), words);
    assert_eq!(exec(&shell("pwd")).await, passed("exit code 0: /"));
    // Standard input, output and error alone, and the folder that ls reads.
    assert_eq!(exec(&shell("echo $(ls /proc/self/fd)")).await, passed("exit code 0: 0 1 2 3"));
    assert_eq!(exec(&shell("read x || echo empty")).await, passed("exit code 0: empty"));
    // Its own session: there is no terminal to talk to.
    let session = shell("test $(cut -d' ' -f6 /proc/$$/stat) = $$");
    assert_eq!(exec(&session).await, passed("exit code 0"));
}

#[tokio::test]
async fn the_whole_group_is_killed_when_the_time_is_over() {
    let folder = folder();
    let (pids, mark) = (folder.path().join("pids"), folder.path().join("mark"));
    let script = format!(
        "(sleep 2; echo here > {mark}) & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait",
        mark = mark.display(),
        pids = pids.display()
    );
    let target = "192.0.2.1:80".parse().expect("an address");
    let prober = Prober::new();
    let probe = shell(&script);
    let running = prober.run(&probe, target, DEADLINE);
    let began = eventually("the command runs", || pids.exists());
    tokio::select! {
        finding = running => panic!("{finding:?}"),
        () = began => {}
    }
    let text = fs::read_to_string(&pids).expect("the numbers");
    let members: Vec<_> = text.split_whitespace().collect();
    assert_eq!(members.len(), 2);
    // The leader is our child: that it is gone shows that it was reaped.
    eventually("the leader is reaped", || !alive(members[0])).await;
    eventually("the grandchild is dead", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", members[1]));
        stat.map_or(true, |stat| stat.contains(") Z "))
    })
    .await;
    assert!(!mark.exists());
}

#[tokio::test]
async fn what_it_leaves_behind_is_killed_and_holds_nothing_up() {
    let folder = folder();
    let file = folder.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {}; echo done", file.display());
    assert_eq!(exec(&shell(&script)).await, passed("exit code 0: done"));
    let pid = fs::read_to_string(&file).expect("the number");
    eventually("the rest is dead", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.map_or(true, |stat| stat.contains(") Z "))
    })
    .await;
}

#[tokio::test]
async fn endless_output_ends_the_command() {
    assert_eq!(exec(&command(&["/usr/bin/yes"])).await, failed("ended by SIGPIPE: y"));
    let line = "x".repeat(1000);
    let cause = exec(&shell(&format!("echo {line}; exit 1"))).await.cause;
    assert_eq!(cause, format!("exit code 1: {}…", "x".repeat(120)));
    let escape = exec(&shell("printf 'a\\033[2Jb'")).await;
    assert_eq!(escape, passed("exit code 0: a\u{fffd}[2Jb"));
}

#[tokio::test]
async fn what_cannot_run_is_named() {
    let missing = exec(&command(&["/nonexistent/check"])).await;
    assert_eq!(missing, failed("cannot start /nonexistent/check: no such file or directory"));
    let folder = exec(&command(&["/etc"])).await;
    assert_eq!(folder, failed("cannot start /etc: permission denied"));
    assert_eq!(exec(&command(&[])).await, failed("there is no command"));
    let by =
        |user: &str| Probe::Exec(Exec { command: vec!["/bin/true".into()], user: user.into() });
    let finding = exec(&by("nobody-of-that-name")).await;
    assert_eq!(finding, failed("there is no user \"nobody-of-that-name\""));
    let finding = exec(&by("root")).await;
    assert_eq!(finding, failed("user \"root\" is root; name one without privileges"));
}

#[tokio::test]
async fn many_run_side_by_side() {
    let target = "192.0.2.1:80".parse().expect("an address");
    let prober = std::sync::Arc::new(Prober::new());
    let runs: Vec<_> = (0..64)
        .map(|_| {
            let prober = prober.clone();
            tokio::spawn(async move { prober.run(&shell("sleep 0.2"), target, DEADLINE).await })
        })
        .collect();
    for run in runs {
        let finding = timeout(DEADLINE, run).await.expect("in time").expect("no panic");
        assert_eq!(finding, passed("exit code 0"));
    }
}
