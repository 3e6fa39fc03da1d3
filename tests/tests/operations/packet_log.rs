//! The log of packets that are dropped, which an operator turns on for a while.

use crate::setting::{client, web};
use anyhow::{Context, Result, ensure};
use lb_common::api::Mode;
use lb_tests::lab::{Lab, SOON, ip};
use lb_tests::site::{self, Family, HTTP, Site, director};
use std::time::Duration;

#[test]
fn dropped_packets_are_logged_while_it_is_wanted() {
    Lab::story("packet-log", |lab| -> Result<()> {
        let site = Site::new(lab, 1)?;
        let mut absent = web("absent", Mode::Dr, Family::V4, 1, 1);
        absent.servers[0].1 = ip("192.0.2.50");
        let config = site::config(&[web("web", Mode::Nat, Family::V4, 0, 1), absent]);
        let mut director = director(lab, &site.director, &config)?;
        let web = client(&site, Mode::Nat, Family::V4);
        let lost = client(&site, Mode::Dr, Family::V4).timeout(Duration::from_millis(300));
        let lose = || lost.get((Family::V4.vip(1), HTTP), "/").err().context("an answer");
        let mut long = web.connect((Family::V4.vip(0), HTTP))?;
        long.get("/name")?;

        lose()?;
        ensure!(!director.log().contains("dropped a packet"), "logged by default");
        director.stop()?;
        let mut command = director.agent_command();
        command.arg("--packet-log");
        let agent = site.director.spawn(command)?;
        agent.wait_for_log(SOON, "running")?;
        long.get("/name")?;
        lose()?;
        agent.wait_for_log(SOON, "dropped a packet: the link-layer address of the next hop")?;
        ensure!(agent.log().contains("next-hop-unresolved"), "{}", agent.log());

        // Without a reader the program goes on, and the next agent's is silent again.
        drop(agent);
        lose()?;
        long.get("/name")?;
        director.start()?;
        lose()?;
        long.get("/name")?;
        ensure!(!director.log().contains("dropped a packet"), "logged again");
        Ok(())
    });
}
