//! Servers that are checked and do their worst.

use crate::setting::{FAST, Scene, Text, WEB, nginx};
use anyhow::{Context, Result, ensure};
use lb_common::api::{Health, Verdict};
use lb_tests::lab::{HostileServer, Hostility, Lab, SOON, wait_until, wildcard};
use lb_tests::site::Site;
use std::fs;

/// Port of nginx, which is checked beside them.
const NGINX: u16 = 8000;

/// Results of each hostile server before anything is measured.
const RESULTS: usize = 8;

/// What the agent may have had in memory at most, in KiB: it begins with two thirds of that, and
/// who reads all that is said here has several times as much within a second.
const MEMORY: u64 = 96 << 10;

/// How long a check beside them may stay away, in milliseconds: three times its interval.
const LATE: u64 = 900;

const HEAD: &str = "HTTP/1.1 200 OK\r\n";
const BODY: &str = "HTTP/1.1 200 OK\r\n\r\n";

/// What is hostile, how it is checked, and a word of the cause.
const HOSTILE: [(Hostility, &str, &str); 9] = [
    (Hostility::Silence, "type: http", "250ms"),
    (Hostility::Silence, "type: smtp", "250ms"),
    (Hostility::Endless { begin: HEAD, again: "X-Field: more of it\r\n" }, "type: http", "head"),
    (Hostility::Endless { begin: BODY, again: "not " }, "type: http, body: alive", "body"),
    (Hostility::Endless { begin: "220-", again: "more and more " }, "type: smtp", "line"),
    (Hostility::Drip("HTTP/1.1 200 OK\r\n\r\n"), "type: http", "250ms"),
    (Hostility::Drip("220 mail.example.net\r\n"), "type: smtp", "250ms"),
    (Hostility::Reset, "type: http", "reset"),
    (Hostility::Reset, "type: smtp", "reset"),
];

#[test]
fn hostile_servers_are_down_and_hinder_nobody() {
    Lab::story("hostile", |lab| {
        let site = Site::new(lab, 2)?;
        let _nginx = [nginx(&site.servers[0].host, NGINX)?, nginx(&site.servers[1].host, NGINX)?];
        let host = &site.servers[0].host;
        let ports = (9100..).zip(HOSTILE);
        let _hostile: Vec<_> = ports
            .clone()
            .map(|(port, (hostility, ..))| HostileServer::start(host, wildcard(port), hostility))
            .collect::<Result<_>>()?;
        let checks: Vec<String> = ports
            .map(|(port, (_, check, _))| {
                format!("check: {{ {check}, address: 192.0.2.11, port: {port}, {FAST} }}")
            })
            .collect();
        let checks: Vec<&str> = checks.iter().map(String::as_str).collect();
        let check = format!("check: {{ type: http, path: /check.txt, {FAST} }}");
        let web = Text { port: NGINX, fields: &[&check], ..WEB };
        let hostile = Text { name: "hostile", vip: (1, 80), servers: &checks, ..WEB };
        let scene = Scene::start(lab, site, &[web, hostile])?;

        let found = |index: usize| -> Result<Health> {
            let detail = scene.director.server("hostile", &format!("web{}", index + 1))?;
            detail.history.context("it isn't checked")
        };
        for (index, (hostility, check, cause)) in HOSTILE.into_iter().enumerate() {
            let what = format!("{check} of {hostility:?}");
            let enough = || found(index).is_ok_and(|health| health.last.len() >= RESULTS);
            wait_until(SOON, "results", enough).with_context(|| what.clone())?;
            let health = found(index)?;
            ensure!(health.verdict == Verdict::Down, "{what}: {health:?}");
            ensure!(health.last.iter().all(|result| !result.passed), "{what}: {health:?}");
            ensure!(health.cause.contains(cause), "{what}: no {cause:?} in {:?}", health.cause);
        }
        for name in ["web1", "web2"] {
            let health = scene.health(name)?;
            ensure!(health.verdict == Verdict::Up, "{name}: {health:?}");
            let ago: Vec<u64> = health.last.iter().map(|result| result.ago).collect();
            ensure!(ago.windows(2).all(|two| two[1] - two[0] < LATE), "{name}: {ago:?}");
        }
        scene.only(&["web1", "web2"])?;
        let memory = most_memory(scene.director.status()?.pid)?;
        ensure!(memory < MEMORY, "{memory} KiB of memory");
        Ok(())
    });
}

/// The most memory that a process has had, in KiB.
fn most_memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
    Ok(number.parse()?)
}
