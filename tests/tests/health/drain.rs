//! Drains: of a server until a deadline, of a machine in all its services, of datagrams.

use crate::setting::{Scene, Text, WEB, beside, seconds};
use anyhow::{Context, Result, ensure};
use lb_common::api::{Protocol, ServerState};
use lb_tests::lab::{Connection, Lab, SOON, wait_until};
use lb_tests::site::{ECHO, Family, UDP};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Connections, of which each server gets a half.
const CONNECTIONS: usize = 8;

#[test]
fn what_is_left_at_the_deadline_is_reset() {
    const DEADLINE: Duration = seconds(4);
    Lab::story("drain-deadline", |lab| {
        let scene = start(lab)?;
        let mut long = open(&scene)?;
        let begin = Instant::now();
        let drain = || {
            let said = scene.director.ctl(&[
                "server",
                "drain",
                "web/web1",
                "--deadline",
                "4s",
                "--wait",
            ])?;
            Ok((said, begin.elapsed()))
        };
        let (said, took) = beside(drain, || {
            scene.wait_for_state("web1", ServerState::Drained)?;
            counted(&scene, CONNECTIONS / 2)?;
            let left = scene.server("web1")?.deadline.context("no deadline")?;
            ensure!(left <= DEADLINE.as_secs(), "{left} s left");
            scene.only(&["web2"])?;
            for (name, connection) in &mut long {
                ensure!(connection.get("/name")?.text() == *name, "before the deadline");
            }
            Ok(())
        })?;
        ensure!((DEADLINE - seconds(1)..DEADLINE + SOON).contains(&took), "{took:?}: {said}");
        for (name, connection) in &mut long {
            let answer = connection.get("/name");
            ensure!(answer.is_err() == (name == "web1"), "{name}: {answer:?}");
        }
        counted(&scene, 0)?;
        scene.only(&["web2"])?;
        scene.director.ctl(&["server", "enable", "web/web1"])?;
        scene.only(&["web1", "web2"])
    });
}

#[test]
fn a_drain_ends_when_the_last_connection_does() {
    Lab::story("drain-wait", |lab| {
        let scene = start(lab)?;
        let mut long = open(&scene)?;
        let (begin, ended) = (Instant::now(), AtomicBool::new(false));
        let drain = || {
            let arguments = ["server", "drain", "web/web1", "--deadline", "5m", "--wait"];
            // It waits for as long as the drain takes.
            let said = scene.director.ctl(&[&["--timeout", "60"][..], &arguments].concat());
            ended.store(true, Ordering::Relaxed);
            said
        };
        beside(drain, || {
            scene.wait_for_state("web1", ServerState::Drained)?;
            counted(&scene, CONNECTIONS / 2)?;
            scene.only(&["web2"])?;
            ensure!(!ended.load(Ordering::Relaxed), "lb-ctl doesn't wait");
            long.retain(|(name, _)| name != "web1");
            Ok(())
        })?;
        ensure!(begin.elapsed() < seconds(30), "after {:?}", begin.elapsed());
        for (_, connection) in &mut long {
            connection.get("/name")?;
        }
        Ok(())
    });
}

#[test]
fn a_deadline_outlives_the_agent() {
    Lab::story("drain-killed", |lab| {
        let mut scene = start(lab)?;
        let mut long = open(&scene)?;
        scene.director.ctl(&["server", "drain", "web/web1", "--deadline", "4s"])?;
        scene.director.kill()?;
        scene.director.start()?;
        for (name, connection) in &mut long {
            if name == "web1" {
                let reset = || connection.get("/name").is_err();
                wait_until(SOON, "a connection of web1 is reset", reset)?;
            } else {
                ensure!(connection.get("/name")?.text() == *name);
            }
        }
        ensure!(scene.server("web1")?.state == ServerState::Drained);
        scene.only(&["web2"])
    });
}

#[test]
fn a_machine_is_drained_in_all_its_services() {
    Lab::story("drain-host", |lab| {
        let echo = Text { name: "echo", vip: (1, ECHO), port: ECHO, ..WEB };
        let scene = Scene::new(lab, &[WEB, echo])?;
        scene.director.wait_until_resolved()?;
        let address = Family::V4.server(0).to_string();
        let states = || -> Result<Vec<(String, ServerState)>> {
            let services = scene.director.services()?;
            let servers = services.into_iter().flat_map(|service| service.servers);
            Ok(servers.map(|server| (server.name, server.state)).collect())
        };
        scene.director.ctl(&["host", "drain", &address])?;
        let drained = states()?;
        ensure!(
            drained
                .iter()
                .all(|(name, state)| (name == "web1") == (*state == ServerState::Drained)),
            "{drained:?}"
        );
        scene.only(&["web2"])?;
        scene.director.ctl(&["host", "enable", &address])?;
        scene.only(&["web1", "web2"])?;
        let nowhere = scene.director.ctl_output(&["host", "drain", "192.0.2.77"])?;
        ensure!(nowhere.status.code() == Some(1), "{nowhere:?}");
        Ok(())
    });
}

#[test]
fn datagrams_choose_another_server_at_once() {
    Lab::story("drain-udp", |lab| {
        let udp = Text { name: "udp", vip: (0, UDP), protocol: Protocol::Udp, port: UDP, ..WEB };
        let scene = Scene::new(lab, &[udp])?;
        scene.director.wait_until_resolved()?;
        let socket = scene.client.udp(scene.vip)?;
        let ask = || -> Result<String> {
            let mut answer = [0; 64];
            socket.send(b"who?")?;
            let length = socket.recv(&mut answer)?;
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            Ok(answer.trim_end_matches(":who?").to_owned())
        };
        let first = ask()?;
        for _ in 0..5 {
            ensure!(ask()? == first, "the flow has one server");
        }
        scene.director.ctl(&["server", "drain", &format!("udp/{first}")])?;
        let second = ask()?;
        ensure!(second != first, "{first} is drained and answers");
        scene.director.ctl(&["server", "enable", &format!("udp/{first}")])?;
        ensure!(ask()? == second, "the flow stays where it is");
        Ok(())
    });
}

fn start(lab: &Lab) -> Result<Scene> {
    let scene = Scene::new(lab, &[WEB])?;
    scene.director.wait_until_resolved()?;
    Ok(scene)
}

/// Waits until so many connections of `web1` are shown: they are counted now and then.
fn counted(scene: &Scene, connections: usize) -> Result<()> {
    let shown = || scene.server("web1").is_ok_and(|server| server.active == connections as u64);
    wait_until(SOON, &format!("{connections} connections of web1"), shown)
        .with_context(|| format!("{:?}", scene.server("web1")))
}

/// Opens connections, and tells the server of each.
fn open(scene: &Scene) -> Result<Vec<(String, Connection)>> {
    let one = |_| {
        let mut connection = scene.client.connect(scene.vip)?;
        Ok((connection.get("/name")?.text(), connection))
    };
    let all: Vec<_> = (0..CONNECTIONS).map(one).collect::<Result<_>>()?;
    let first = all.iter().filter(|(name, _)| name == "web1").count();
    ensure!(first == CONNECTIONS / 2, "{first} connections to web1");
    Ok(all)
}
