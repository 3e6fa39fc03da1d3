//! Schedulers that look at live connections.

use super::{Scene, held, web};
use anyhow::{Result, ensure};
use lb_common::api::{Mode, Scheduler};
use lb_tests::lab::{Lab, SOON, wait_until};
use lb_tests::site::Family;

/// Connections that are held at a time.
const CONNECTIONS: usize = 24;

#[test]
fn lc_evens_the_connections_out() {
    follows_connections(Scheduler::Lc, Mode::Nat, Family::V4, [8, 8, 8]);
}

#[test]
fn wlc_evens_the_connections_out_by_weight() {
    follows_connections(Scheduler::Wlc, Mode::Dr, Family::V4, [4, 8, 12]);
}

#[test]
fn sed_evens_the_connections_out_by_weight() {
    follows_connections(Scheduler::Sed, Mode::Nat, Family::V6, [4, 8, 12]);
}

#[test]
fn nq_evens_the_connections_out_by_weight() {
    follows_connections(Scheduler::Nq, Mode::Dr, Family::V6, [4, 8, 12]);
}

/// Weights 1, 2 and 3: `expected` of the connections go to each; who loses its connections gets
/// them back.
fn follows_connections(scheduler: Scheduler, mode: Mode, family: Family, expected: [usize; 3]) {
    Lab::story(&format!("{scheduler}-{mode}"), |lab| {
        let weights = [1, 2, 3];
        let scene = Scene::with(lab, family, |site| {
            vec![web(site, mode, family, scheduler, "", &weights)]
        })?;
        let mut long = scene.open(CONNECTIONS)?;
        ensure!(held(&long) == expected, "{:?}, not {expected:?}", held(&long));
        for (index, name) in ["web1", "web3", "web2"].into_iter().enumerate() {
            long.retain(|(server, _)| server != name);
            scene.until_active(name, 0)?;
            let new = scene.open(CONNECTIONS - long.len())?;
            ensure!(new.iter().all(|(server, _)| server == name), "{index}: {:?}", held(&new));
            long.extend(new);
        }
        for (server, connection) in &mut long {
            ensure!(connection.get("/name")?.text() == *server);
        }
        scene.nothing_dropped()
    });
}

/// Where nobody is idle, `nq` is `sed`; an idle server comes first, however small its weight.
#[test]
fn nq_leaves_nobody_idle() {
    for (scheduler, expected) in [(Scheduler::Sed, [0, 0, 3]), (Scheduler::Nq, [1, 1, 1])] {
        Lab::story(&format!("idle-{scheduler}"), |lab| {
            let family = Family::V4;
            let weights = [1, 1, 100];
            let scene = Scene::with(lab, family, |site| {
                vec![web(site, Mode::Nat, family, scheduler, "", &weights)]
            })?;
            let long = scene.open(3)?;
            ensure!(held(&long) == expected, "{:?}, not {expected:?}", held(&long));
            Ok(())
        });
    }
}

impl Scene {
    /// Waits until the agent counts so many live connections of a server.
    pub(super) fn until_active(&self, server: &str, connections: u64) -> Result<()> {
        wait_until(SOON, &format!("{connections} connections of {server}"), || {
            self.director.server("web", server).is_ok_and(|one| one.server.active == connections)
        })
    }
}
