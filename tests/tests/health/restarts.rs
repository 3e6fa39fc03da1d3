//! Checks that begin anew: what serves goes on serving.

use crate::setting::{FAST, Scene, Text, WEB, config, nginx};
use anyhow::{Context, Result, ensure};
use lb_common::api::{EventKind, Verdict};
use lb_tests::lab::{Lab, Load, Nginx, SOON, wait_until};
use lb_tests::site::{Director, Site};

/// Port of nginx.
const NGINX: u16 = 8000;

/// How often the agent dies.
const DEATHS: usize = 3;

/// A check that needs many seconds for its first verdict.
const SLOW: &str = "check: { type: tcp, interval: 5s, timeout: 1s, rise: 5, fall: 2 }";

#[test]
fn no_request_fails_when_the_agent_is_killed() {
    Lab::story("kill-checks", |lab| {
        let (mut scene, _nginx) = start(lab)?;
        scene.director.write_config(&text(SLOW))?;
        scene.director.ctl(&["reload"])?;
        let load = load(&scene)?;
        for death in 0..DEATHS {
            scene.director.kill()?;
            load.goes_on().with_context(|| format!("death {death}"))?;
            scene.director.start()?;
            load.goes_on().with_context(|| format!("after death {death}"))?;
            scene.only(&["web1", "web2"])?;
        }
        load.finish()
    });
}

/// A server that is down stays out while the checks begin anew.
#[test]
fn a_server_that_is_down_stays_so_when_the_agent_is_killed() {
    Lab::story("kill-down", |lab| {
        let (mut scene, mut nginx) = start(lab)?;
        nginx[0].stop()?;
        scene.wait_for_verdict("web1", Verdict::Down)?;
        let load = load(&scene)?;
        scene.director.kill()?;
        scene.director.start()?;
        load.goes_on()?;
        scene.wait_for_verdict("web1", Verdict::Down)?;
        load.finish()?;
        nginx[0].resume()?;
        scene.only(&["web1", "web2"])
    });
}

#[test]
fn no_request_fails_when_a_check_is_edited() {
    Lab::story("edit-check", |lab| {
        let (scene, _nginx) = start(lab)?;
        let load = load(&scene)?;
        let http = format!("check: {{ type: http, path: /check.txt, {FAST} }}");
        for check in [SLOW, &http, SLOW] {
            scene.director.write_config(&text(check))?;
            reloaded(&scene.director).with_context(|| check.to_owned())?;
            load.goes_on().with_context(|| check.to_owned())?;
            scene.only(&["web1", "web2"])?;
        }
        load.finish()?;
        // A check that fails from the start takes the server out all the same.
        let bad = format!("check: {{ type: http, path: /none, {FAST} }}");
        scene.director.write_config(&text(&bad))?;
        reloaded(&scene.director)?;
        for server in ["web1", "web2"] {
            scene.wait_for_verdict(server, Verdict::Down)?;
        }
        Ok(())
    });
}

fn start(lab: &Lab) -> Result<(Scene, [Nginx; 2])> {
    let site = Site::new(lab, 2)?;
    let nginx = [nginx(&site.servers[0].host, NGINX)?, nginx(&site.servers[1].host, NGINX)?];
    let check = format!("check: {{ type: tcp, {FAST} }}");
    let scene = Scene::start(lab, site, &[Text { port: NGINX, fields: &[&check], ..WEB }])?;
    for server in ["web1", "web2"] {
        scene.wait_for_verdict(server, Verdict::Up)?;
    }
    scene.only(&["web1", "web2"])?;
    Ok((scene, nginx))
}

fn text(check: &str) -> String {
    config(&[Text { port: NGINX, fields: &[check], ..WEB }])
}

fn load(scene: &Scene) -> Result<Load> {
    let mut load = Load::new();
    load.one_connection(&scene.client, scene.vip)?;
    load.new_connections(scene.client.clone(), scene.vip);
    load.goes_on()?;
    Ok(load)
}

/// Has the agent read its file, and waits until it has told so.
fn reloaded(director: &Director) -> Result<()> {
    let reloads = || -> Result<usize> {
        let events = director.events()?;
        Ok(events.iter().filter(|event| event.kind == EventKind::Reload).count())
    };
    let before = reloads()?;
    director.ctl(&["reload"])?;
    wait_until(SOON, "the reload is told", || reloads().is_ok_and(|now| now > before))?;
    ensure!(reloads()? == before + 1, "{:?}", director.events());
    Ok(())
}
