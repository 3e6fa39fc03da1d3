//! Thousands of connections, intact payloads and large transfers in each mode and family.

use super::{Scene, shares};
use anyhow::{Result, ensure};
use lb_common::api::{Mode, Protocol, Scheduler};
use lb_tests::lab::Lab;
use lb_tests::site::{Family, HTTP, UDP};

const CONNECTIONS: usize = 3000;
const DATAGRAMS: usize = 1500;
const LARGE: usize = 10_000_000;

#[test]
fn nat_v4() {
    carries(Mode::Nat, Family::V4);
}

#[test]
fn nat_v6() {
    carries(Mode::Nat, Family::V6);
}

#[test]
fn dr_v4() {
    carries(Mode::Dr, Family::V4);
}

#[test]
fn dr_v6() {
    carries(Mode::Dr, Family::V6);
}

#[test]
fn tunnel_v4() {
    carries(Mode::Tunnel, Family::V4);
}

#[test]
fn tunnel_v6() {
    carries(Mode::Tunnel, Family::V6);
}

fn carries(mode: Mode, family: Family) {
    Lab::story(&format!("{mode}-{}", family.name()), |lab| {
        let scene = Scene::new(lab, mode, family, Scheduler::Rr)?;
        spreads_connections(&scene)?;
        spreads_datagrams(&scene)?;
        keeps_payloads(&scene)?;
        scene.nothing_dropped()?;
        counts(&scene, mode)
    });
}

/// Round robin is exact, over all CPUs.
fn spreads_connections(scene: &Scene) -> Result<()> {
    let tally = scene.client.tally((scene.vip, HTTP), CONNECTIONS)?;
    ensure!(shares(&tally) == [CONNECTIONS / 3; 3], "{tally:?}");
    Ok(())
}

/// A few datagrams come from a port that had one before, and follow that one.
fn spreads_datagrams(scene: &Scene) -> Result<()> {
    let tally = scene.client.udp_tally((scene.vip, UDP), DATAGRAMS)?;
    let even = |count: usize| count.abs_diff(DATAGRAMS / 3) < DATAGRAMS / 30;
    ensure!(shares(&tally).into_iter().all(even), "{tally:?}");
    Ok(())
}

fn keeps_payloads(scene: &Scene) -> Result<()> {
    scene.client.download((scene.vip, HTTP), LARGE)?;
    let body: Vec<u8> = (0..LARGE).map(|index| ((index * 31) >> 3) as u8).collect();
    let reply = scene.client.post((scene.vip, HTTP), "/echo", &body)?;
    ensure!(reply.body == body, "{} bytes came back of {}", reply.body.len(), body.len());
    Ok(())
}

/// Services and servers count alike, and connections as many as there were.
fn counts(scene: &Scene, mode: Mode) -> Result<()> {
    for service in scene.director.services()? {
        let stats = service.stats;
        let connections = stats.connections as usize;
        let right = match service.protocol {
            // And two for the large transfers.
            Protocol::Tcp => connections == CONNECTIONS + 2,
            Protocol::Udp => (DATAGRAMS * 9 / 10..=DATAGRAMS).contains(&connections),
        };
        ensure!(right, "{}: {stats:?}", service.name);
        let servers: u64 = service.servers.iter().map(|server| server.stats.bytes_in).sum();
        ensure!(servers == stats.bytes_in, "{}: {servers} of {stats:?}", service.name);
        ensure!((stats.packets_out > 0) == (mode == Mode::Nat), "{}: {stats:?}", service.name);
    }
    Ok(())
}
