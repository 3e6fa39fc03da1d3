//! Servers that don't always get their full part: slow start, backups, limits.

use crate::setting::{FAST, Scene, Text, WEB, nginx, seconds};
use anyhow::{Result, ensure};
use lb_common::api::{EventKind, Scheduler, ServerState, Verdict};
use lb_tests::lab::{Connection, Lab, wait_until};
use lb_tests::site::Site;

/// Port of nginx.
const NGINX: u16 = 8000;

#[test]
fn a_server_that_comes_back_starts_slowly() {
    Lab::story("slow-start", |lab| {
        let site = Site::new(lab, 2)?;
        let mut first = nginx(&site.servers[0].host, NGINX)?;
        let _second = nginx(&site.servers[1].host, NGINX)?;
        let check = format!("check: {{ type: tcp, {FAST} }}");
        let service = Text {
            scheduler: Scheduler::Wrr,
            port: NGINX,
            fields: &[&check, "slow_start: 5s"],
            servers: &["weight: 100", "weight: 100"],
            ..WEB
        };
        let scene = Scene::start(lab, site, &[service])?;
        first.stop()?;
        scene.wait_for_verdict("web1", Verdict::Down)?;
        scene.wait_for_state("web2", ServerState::Up)?;
        scene.only(&["web2"])?;
        first.resume()?;
        scene.wait_for_state("web1", ServerState::SlowStart)?;
        let share = || -> Result<usize> {
            Ok(scene.client.tally(scene.vip, 200)?.get("web1").copied().unwrap_or(0))
        };
        let early = share()?;
        ensure!(early < 80, "{early} of 200 at the beginning");
        wait_until(seconds(20), "the end of the slow start", || {
            scene.server("web1").is_ok_and(|server| server.state == ServerState::Up)
        })?;
        let full = share()?;
        ensure!((90..=110).contains(&full) && full > early, "{full} of 200 at the end");
        Ok(())
    });
}

#[test]
fn backups_serve_while_nobody_else_does_and_then_the_fallback() {
    Lab::story("backup", |lab| {
        let site = Site::new(lab, 4)?;
        let mut nginx: Vec<_> =
            site.servers.iter().map(|server| nginx(&server.host, NGINX)).collect::<Result<_>>()?;
        let check = format!("check: {{ type: tcp, {FAST} }}");
        let fallback = format!("fallback: 192.0.2.14:{NGINX}");
        let service = Text {
            port: NGINX,
            fields: &[&check, &fallback],
            servers: &["", "", "backup: true"],
            ..WEB
        };
        let scene = Scene::start(lab, site, &[service])?;
        scene.only(&["web1", "web2"])?;
        scene.wait_for_state("web3", ServerState::Standby)?;
        let before = scene.director.events()?.len();
        nginx[0].stop()?;
        scene.only(&["web2"])?;
        nginx[1].stop()?;
        scene.only(&["web3"])?;
        scene.wait_for_state("web3", ServerState::Up)?;
        nginx[2].stop()?;
        scene.only(&["web4"])?;
        nginx[2].resume()?;
        scene.only(&["web3"])?;
        nginx[0].resume()?;
        scene.only(&["web1"])?;
        scene.wait_for_state("web3", ServerState::Standby)?;
        // Each change is told once, whatever the checks have found over and over meanwhile.
        let events = scene.director.events()?.split_off(before);
        let of = |kind, server: Option<&str>| -> Vec<&str> {
            let events = events.iter().filter(|event| event.kind == kind);
            let events = events.filter(|event| event.server.as_deref() == server);
            events.map(|event| &*event.message).collect()
        };
        let tiers = of(EventKind::Service, None);
        let expected = ["its backups", "its fallback", "its backups", "its servers"];
        let same = tiers.iter().zip(expected).all(|(words, tier)| words.ends_with(tier));
        ensure!(tiers.len() == expected.len() && same, "{tiers:?}");
        for (server, expected) in
            [("web1", &["down", "up"][..]), ("web2", &["down"]), ("web3", &["down", "up"])]
        {
            let told = of(EventKind::Health, Some(server));
            let same = told.iter().zip(expected).all(|(words, verdict)| words.starts_with(verdict));
            ensure!(told.len() == expected.len() && same, "{server}: {told:?}");
        }
        Ok(())
    });
}

/// Without a fallback, a service of whom all are down refuses nobody's old connections.
#[test]
fn all_down_and_no_fallback() {
    Lab::story("all-down", |lab| {
        let site = Site::new(lab, 1)?;
        let mut first = nginx(&site.servers[0].host, NGINX)?;
        let check = format!("check: {{ type: tcp, {FAST} }}");
        let service = Text { port: NGINX, fields: &[&check], servers: &[""], ..WEB };
        let scene = Scene::start(lab, site, &[service])?;
        scene.only(&["web1"])?;
        first.stop()?;
        scene.wait_for_verdict("web1", Verdict::Down)?;
        let before = scene.director.reason("no-server")?;
        let client = scene.client.clone().timeout(seconds(1));
        ensure!(client.get(scene.vip, "/name").is_err(), "somebody answered");
        ensure!(scene.director.reason("no-server")? > before);
        first.resume()?;
        scene.only(&["web1"])
    });
}

#[test]
fn a_server_with_enough_connections_gets_no_more() {
    Lab::story("max-connections", |lab| {
        const MOST: usize = 3;
        let limit = format!("max_connections: {MOST}");
        let service = Text { scheduler: Scheduler::Wlc, servers: &[&limit, ""], ..WEB };
        let scene = Scene::new(lab, &[service])?;
        scene.director.wait_until_resolved()?;
        let mut long: Vec<(String, Connection)> = Vec::new();
        while long.len() < 4 * MOST {
            let mut connection = scene.client.connect(scene.vip)?;
            long.push((connection.get("/name")?.text(), connection));
        }
        let of_first = || long.iter().filter(|(name, _)| name == "web1").count();
        ensure!(of_first() == MOST, "web1 has {} connections", of_first());
        scene.only(&["web2"])?;
        for (name, connection) in &mut long {
            ensure!(connection.get("/name")?.text() == *name);
        }
        long.retain(|(name, _)| name != "web1");
        scene.only(&["web1", "web2"])
    });
}
