//! An interface that vanishes and comes back.

use crate::setting::{client, web};
use anyhow::ensure;
use lb_common::api::{AttachMode, EventKind, Mode};
use lb_tests::lab::{Lab, SOON, wait_until};
use lb_tests::site::{self, Family, HTTP, Site, director};

#[test]
fn an_interface_that_comes_back_is_used_again() {
    Lab::story("vanish", |lab| {
        let site = Site::new(lab, 1)?;
        let config = site::config(&[web("web", Mode::Nat, Family::V4, 0, 1)]);
        let director = director(lab, &site.director, &config)?;
        director.wait_until_resolved()?;
        let (client, vip) = (client(&site, Mode::Nat, Family::V4), (Family::V4.vip(0), HTTP));
        client.get(vip, "/name")?;
        let pid = director.status()?.pid;

        site.director_link.remove()?;
        wait_until(SOON, "the agent says that eth0 is gone", || {
            director.status().is_ok_and(|status| {
                status.interfaces[0].attached == AttachMode::Detached
                    && status.warnings.iter().any(|words| words == "there is no interface eth0")
            })
        })?;

        let link = site.lan.join(&site.director, "eth0")?;
        for address in ["192.0.2.1/24", "203.0.113.1/24", "192.0.2.100/32"] {
            link.address(address)?;
        }
        wait_until(SOON, "eth0 has the program again", || {
            let attached = |mode| mode == AttachMode::Native;
            director.status().is_ok_and(|status| attached(status.interfaces[0].attached))
        })?;
        director.wait_until_resolved()?;
        // The neighbours know the old interface's address still.
        site.client_link.flush_neighbours()?;
        site.servers[0].link.flush_neighbours()?;
        client.tally(vip, 20)?;
        let status = director.status()?;
        ensure!(status.pid == pid && status.warnings.is_empty(), "{status:?}");
        ensure!(link.xdp()?.is_some(), "no program on the new interface");
        let told = director.events()?.into_iter().filter(|one| one.kind == EventKind::Interface);
        let told: Vec<String> = told.map(|event| event.message).collect();
        ensure!(told == ["eth0: detached", "eth0: native"], "{told:?}");
        Ok(())
    });
}
