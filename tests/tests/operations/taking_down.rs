//! What takes the data plane down, and what leaves it.

use crate::setting::{client, pinned, wait_until_freed, web};
use anyhow::{Result, ensure};
use lb_common::api::Mode;
use lb_tests::lab::{Lab, SOON, wait_until};
use lb_tests::site::{self, Director, Family, HTTP, Site, director};
use nix::sys::signal::Signal;
use std::time::Duration;

#[test]
fn detach_takes_the_data_plane_down() {
    Lab::story("detach", |lab| {
        let (site, director) = start(lab)?;
        let maps = pinned(&director)?.maps;
        director.ctl(&["detach"])?;
        gone(&site, &director)?;
        wait_until_freed(&maps)
    });
}

#[test]
fn detach_on_exit_takes_the_data_plane_down() {
    Lab::story("detach-on-exit", |lab| {
        let (site, mut director) = start(lab)?;
        let maps = pinned(&director)?.maps;
        director.stop()?;
        ensure!(pinned(&director)?.maps == maps, "SIGTERM left other pins");
        answers(&site)?;

        let mut command = director.agent_command();
        command.arg("--detach-on-exit");
        let agent = site.director.spawn(command)?;
        agent.wait_for_log(SOON, "running")?;
        answers(&site)?;
        agent.signal(Signal::SIGTERM);
        ensure!(agent.wait(SOON)?.success(), "{}", agent.log());
        gone(&site, &director)?;
        wait_until_freed(&maps)
    });
}

#[test]
fn what_a_dead_agent_left_is_taken_down_without_one() {
    Lab::story("detach-dead", |lab| {
        let (site, mut director) = start(lab)?;
        let maps = pinned(&director)?.maps;
        director.kill()?;
        answers(&site)?;
        let mut command = director.agent_command();
        command.arg("--detach");
        let agent = site.director.spawn(command)?;
        ensure!(agent.wait(SOON)?.success(), "{}", agent.log());
        gone(&site, &director)?;
        wait_until_freed(&maps)
    });
}

fn start(lab: &Lab) -> Result<(Site, Director)> {
    let site = Site::new(lab, 1)?;
    let config = site::config(&[web("web", Mode::Nat, Family::V4, 0, 1)]);
    let director = director(lab, &site.director, &config)?;
    director.wait_until_resolved()?;
    answers(&site)?;
    Ok((site, director))
}

fn answers(site: &Site) -> Result<()> {
    client(site, Mode::Nat, Family::V4).get((Family::V4.vip(0), HTTP), "/name")?;
    Ok(())
}

fn gone(site: &Site, director: &Director) -> Result<()> {
    wait_until(SOON, "the pins are gone", || !director.pins().exists())?;
    // The kernel takes a link down some time after its last pin went.
    wait_until(SOON, "no program is on the interface", || {
        site.director_link.xdp().is_ok_and(|program| program.is_none())
    })?;
    // The director's own stack takes the packet, and nothing listens there.
    let client = client(site, Mode::Nat, Family::V4).timeout(Duration::from_secs(2));
    let refused = client.get((Family::V4.vip(0), HTTP), "/name").err().map(|error| error.kind());
    ensure!(refused == Some(std::io::ErrorKind::ConnectionRefused), "{refused:?}");
    Ok(())
}
