//! Servers that have as many connections as they take.

use super::{Scene, held, web};
use anyhow::{Context, Result, ensure};
use lb_common::api::{Mode, Scheduler};
use lb_tests::lab::{Lab, SOON, wait_until};
use lb_tests::site::{Family, HTTP, Site, config};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// Connections that each of two servers takes.
const MOST: usize = 3;

#[test]
fn full_servers_refuse_wrr_nat_v4() {
    refuse(Scheduler::Wrr, Mode::Nat, Family::V4);
}

#[test]
fn full_servers_refuse_wlc_dr_v6() {
    refuse(Scheduler::Wlc, Mode::Dr, Family::V6);
}

/// Whom nobody takes is told so at once, and comes in as soon as somebody leaves.
fn refuse(scheduler: Scheduler, mode: Mode, family: Family) {
    Lab::story(&format!("full-{scheduler}"), |lab| {
        let scene = limited(lab, scheduler, mode, family, "")?;
        let mut long = scene.open(2 * MOST)?;
        ensure!(held(&long) == [MOST, MOST, 0], "{:?}", held(&long));

        let before = scene.director.reason("servers-full")?;
        let start = Instant::now();
        let error =
            scene.client.get((scene.vip, HTTP), "/name").err().context("somebody took it")?;
        ensure!(error.kind() == ErrorKind::ConnectionRefused, "{error}");
        // An error that is back before the client has left `connect` is forgotten there, and the
        // second SYN follows after a second.
        ensure!(start.elapsed() < Duration::from_secs(3), "refused after {:?}", start.elapsed());
        let refused = scene.director.reason("servers-full")? - before;
        ensure!((1..=2).contains(&refused), "{refused} refusals after {:?}", start.elapsed());

        for (server, connection) in &mut long {
            ensure!(connection.get("/name")?.text() == *server);
        }
        let (left, connection) = long.swap_remove(0);
        drop(connection);
        scene.until_active(&left, MOST as u64 - 1)?;
        let next = scene.open(1)?;
        ensure!(next[0].0 == left, "{} took it, not {left}", next[0].0);
        Ok(())
    });
}

#[test]
fn a_client_that_vanishes_makes_room_nat_v4() {
    vanish(Mode::Nat, Family::V4);
}

#[test]
fn a_client_that_vanishes_makes_room_dr_v6() {
    vanish(Mode::Dr, Family::V6);
}

/// Connections whose client is gone without a word count until their timeout, and no longer.
fn vanish(mode: Mode, family: Family) {
    Lab::story(&format!("vanish-{mode}"), |lab| {
        let timeouts = "    timeouts: { established: 3s }\n";
        let mut scene = limited(lab, Scheduler::Wlc, mode, family, timeouts)?;
        let ghost = lab.host("ghost")?;
        let link = scene.site.lan.join(&ghost, "eth0")?;
        let (address, prefix, services) = match (mode, family) {
            (Mode::Nat, Family::V4) => ("203.0.113.66", 24, "192.0.2.0/24"),
            (_, Family::V4) => ("198.51.100.66", 24, "192.0.2.0/24"),
            (Mode::Nat, Family::V6) => ("2001:db8:2::66", 64, "2001:db8:a::/64"),
            (_, Family::V6) => ("2001:db8:1::66", 64, "2001:db8:a::/64"),
        };
        link.address(&format!("{address}/{prefix}"))?.route(services)?;
        let here = std::mem::replace(&mut scene.client, ghost.client());
        let long = scene.open(2 * MOST)?;
        ensure!(held(&long) == [MOST, MOST, 0], "{:?}", held(&long));
        let refused = || here.get((scene.vip, HTTP), "/name").is_err();
        ensure!(refused(), "there is room");
        link.remove()?;
        drop(long);
        wait_until(SOON, "room for others", || !refused())?;
        // All of it is free, not a place here and there.
        scene.client = here.clone();
        for server in ["web1", "web2"] {
            scene.until_active(server, 0)?;
        }
        let long = scene.open(2 * MOST)?;
        ensure!(held(&long) == [MOST, MOST, 0], "{:?}", held(&long));
        Ok(())
    });
}

/// Two servers, each of which takes [`MOST`] connections.
fn limited(
    lab: &Lab,
    scheduler: Scheduler,
    mode: Mode,
    family: Family,
    more: &str,
) -> Result<Scene> {
    let services = |site: &Site| vec![web(site, mode, family, scheduler, more, &[1, 1])];
    let scene = Scene::with(lab, family, services)?;
    let limit = format!("weight: 1, max_connections: {MOST}");
    let limited = config(&services(&scene.site)).replace("weight: 1", &limit);
    scene.director.write_config(&limited)?;
    scene.director.ctl(&["reload"])?;
    Ok(scene)
}
