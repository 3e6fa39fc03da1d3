//! More than one agent on a machine.

use crate::setting::{another_agent, client, service, web};
use anyhow::ensure;
use lb_common::api::Mode;
use lb_tests::lab::{Lab, Load, SOON, ip};
use lb_tests::site::{self, Family, HTTP, Site, director};

#[test]
fn a_second_agent_in_the_namespace_is_refused() {
    Lab::story("second", |lab| {
        let site = Site::new(lab, 1)?;
        let config = site::config(&[web("web", Mode::Nat, Family::V4, 0, 1)]);
        let first = director(lab, &site.director, &config)?;
        first.wait_until_resolved()?;
        let mut load = Load::new();
        load.new_connections(client(&site, Mode::Nat, Family::V4), (Family::V4.vip(0), HTTP));
        load.goes_on()?;
        let before = first.status()?;

        for extra in [None, Some("--detach")] {
            let (mut command, pins) = another_agent(lab, &first)?;
            command.args(extra);
            let second = site.director.spawn(command)?;
            ensure!(second.wait(SOON)?.code() == Some(1), "{}", second.log());
            let words =
                format!("another lb-agent runs in this network namespace: process {}", before.pid);
            ensure!(second.log().contains(&words), "{}", second.log());
            ensure!(!pins.exists(), "it left pins");
        }
        load.goes_on()?;
        let after = first.status()?;
        ensure!((after.pid, after.warnings) == (before.pid, before.warnings), "the first was hurt");
        load.finish()
    });
}

#[test]
fn agents_in_two_namespaces_do_not_meet() {
    Lab::story("two", |lab| {
        let site = Site::new(lab, 1)?;
        let vip = ip("192.0.2.200");
        let other = lab.host("director2")?;
        let link = site.lan.join(&other, "eth0")?;
        link.address("192.0.2.2/24")?.address("192.0.2.200/32")?;
        site.servers[0].host.accept_vip(vip)?;

        let mine = web("web", Mode::Dr, Family::V4, 0, 1);
        let first = director(lab, &site.director, &site::config(&[mine]))?;
        let theirs = service("web", Mode::Dr, (vip, HTTP), &[Family::V4.server(0)]);
        let mut second = director(lab, &other, &site::config(&[theirs]))?;
        first.wait_until_resolved()?;
        second.wait_until_resolved()?;

        let mut load = Load::new();
        for vip in [Family::V4.vip(0), vip] {
            load.new_connections(client(&site, Mode::Dr, Family::V4), (vip, HTTP));
        }
        load.goes_on()?;
        second.kill()?;
        load.goes_on()?;
        second.start()?;
        load.finish()?;
        for director in [&first, &second] {
            let counted = director.services()?[0].stats;
            ensure!(counted.connections > 0, "{counted:?}");
        }
        Ok(())
    });
}
