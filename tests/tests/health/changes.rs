//! What an operator changes while the agent runs, and what outlives it.

use crate::setting::{Scene, Text, WEB, config};
use anyhow::{Context, Result, ensure};
use lb_common::api::{AdminState, Mode};
use lb_tests::lab::{Lab, Load, SOON, wait_until};
use lb_tests::site::{Director, Family, HTTP};
use std::net::SocketAddr;

#[test]
fn changes_survive_kills_and_reloads() {
    Lab::story("changes", |lab| {
        let mut scene = Scene::new(lab, &[Text { servers: &["", "", ""], ..WEB }])?;
        let dr = Text { name: "dr", vip: (1, HTTP), mode: Mode::Dr, servers: &["", "", ""], ..WEB };
        scene.director.write_config(&config(&[Text { servers: &["", "", ""], ..WEB }, dr]))?;
        scene.director.ctl(&["reload"])?;
        scene.director.wait_until_resolved()?;
        let mut load = Load::new();
        load.one_connection(&scene.client, scene.vip)?;
        load.new_connections(scene.client.clone(), scene.vip);

        let vip = SocketAddr::new(Family::V4.vip(2), HTTP).to_string();
        let first = format!("first={}:{HTTP}", Family::V4.server(0));
        let second = format!("{}:{HTTP}", Family::V4.server(1));
        for arguments in [
            &["service", "add", "more", &vip, "--mode", "nat", "--server", &first][..],
            &["server", "add", "more/second", &second, "--weight", "7"],
            &["server", "rm", "dr/web2"],
            &["server", "weight", "web/web3", "5"],
            &["server", "disable", "dr/web3"],
            &["server", "drain", "dr/web1"],
            &["server", "weight", "dr/web1", "9"],
        ] {
            scene.director.ctl(arguments)?;
        }
        let expected = [
            ("web/web1", 1, AdminState::Enabled),
            ("web/web2", 1, AdminState::Enabled),
            ("web/web3", 5, AdminState::Enabled),
            ("dr/web1", 9, AdminState::Drained),
            ("dr/web3", 1, AdminState::Disabled),
            ("more/first", 1, AdminState::Enabled),
            ("more/second", 7, AdminState::Enabled),
        ];
        runs(&scene.director, &expected).context("as acknowledged")?;
        scene.director.kill()?;
        scene.director.start()?;
        runs(&scene.director, &expected).context("after a kill")?;
        scene.director.ctl(&["reload"])?;
        runs(&scene.director, &expected).context("after a reload")?;
        wait_until_resolved(&scene.director, "more")?;
        let more = (Family::V4.vip(2), HTTP);
        let answering = scene.client.tally(more, 40)?;
        ensure!(answering.len() == 2, "{answering:?}");

        scene.director.ctl(&["service", "rm", "more"])?;
        scene.director.ctl(&["service", "rm", "dr"])?;
        scene.director.kill()?;
        scene.director.start()?;
        runs(&scene.director, &expected[..3]).context("after removals")?;
        load.finish()
    });
}

#[test]
fn changes_that_make_no_sense_are_refused() {
    Lab::story("refused", |lab| {
        let scene = Scene::new(lab, &[WEB])?;
        let vip = SocketAddr::new(scene.vip.0, scene.vip.1).to_string();
        for (arguments, reason) in [
            (&["server", "add", "web/web1", "192.0.2.19:80"][..], "web1"),
            (&["server", "add", "web/other", "192.0.2.11:80"], "address"),
            (&["server", "add", "none/web1", "192.0.2.19:80"], "known: web"),
            (&["server", "add", "web/web9", "192.0.2.19"], "port"),
            (&["server", "rm", "web/web9"], "known: web1, web2"),
            (&["service", "add", "web", "192.0.2.107:80", "--mode", "nat"], "web"),
            (&["service", "add", "other", &vip, "--mode", "nat"], "address"),
            (&["service", "rm", "none"], "known: web"),
        ] {
            let output = scene.director.ctl_output(arguments)?;
            let words = String::from_utf8_lossy(&output.stderr);
            ensure!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?}: {output:?}");
            ensure!(words.contains(reason), "{arguments:?}: {words}");
        }
        let unchanged =
            [("web/web1", 1, AdminState::Enabled), ("web/web2", 1, AdminState::Enabled)];
        runs(&scene.director, &unchanged)
    });
}

/// These servers run, in this order and with these weights.
fn runs(director: &Director, expected: &[(&str, u32, AdminState)]) -> Result<()> {
    let services = director.services()?;
    let servers = services.iter().flat_map(|service| &service.servers);
    let found: Vec<_> = servers
        .map(|server| (format!("{}/{}", server.service, server.name), server.weight, server.admin))
        .collect();
    let same = found.iter().map(|(name, weight, admin)| (name.as_str(), *weight, *admin));
    ensure!(same.eq(expected.iter().copied()), "{found:?} runs, not {expected:?}");
    Ok(())
}

/// Waits until all servers of a service have a next hop.
fn wait_until_resolved(director: &Director, service: &str) -> Result<()> {
    wait_until(SOON, &format!("the next hops of {service}"), || {
        director.services().is_ok_and(|services| {
            let mut servers = services.iter().filter(|one| one.name == service);
            servers.any(|one| one.servers.iter().all(|server| server.next_hop.is_some()))
        })
    })
}
