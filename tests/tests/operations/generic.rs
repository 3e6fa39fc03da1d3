//! A director whose interface has no native XDP: a macvlan interface, on top of a link whose
//! driver merges frames.

use crate::setting::{client, web};
use anyhow::ensure;
use lb_common::api::{AttachMode, Mode};
use lb_tests::lab::{Lab, Load};
use lb_tests::site::{self, Family, HTTP, Site, director};

#[test]
fn without_native_xdp_the_generic_hook_serves() {
    Lab::story("generic", |lab| {
        let mut wire = None;
        let site = Site::with_director(lab, 2, |lan, host| {
            let below = lan.join(host, "wire0")?;
            below.merge_frames()?;
            // The link below keeps silent about the addresses above.
            host.sysctl("net/ipv4/conf/all/arp_ignore", "1")?;
            let link = below.on_top("eth0")?;
            wire = Some(below);
            Ok(link)
        })?;
        let modes = [(Mode::Nat, Family::V4), (Mode::Dr, Family::V6), (Mode::Tunnel, Family::V4)];
        let services = modes
            .into_iter()
            .zip(0..)
            .map(|((mode, family), number)| web(&mode.to_string(), mode, family, number, 2));
        let config = site::config(&services.collect::<Vec<_>>());
        let mut director = director(lab, &site.director, &config)?;
        director.wait_until_resolved()?;

        let status = director.status()?;
        ensure!(status.interfaces[0].attached == AttachMode::Generic, "{:?}", status.interfaces);
        let words = "eth0 has the generic XDP hook";
        ensure!(status.warnings.iter().any(|one| one.contains(words)), "{:?}", status.warnings);
        ensure!(director.ctl(&["status"])?.contains("eth0 (generic: slow)"), "not in the table");
        ensure!(director.log().contains("no native XDP; trying the generic hook"), "not logged");
        let features = wire.as_ref().map(|wire| wire.features()).transpose()?.unwrap_or_default();
        ensure!(!features.iter().any(|feature| feature == "rx-gro"), "frames are merged still");
        ensure!(director.log().contains("rx-gro"), "not said: {}", director.log());

        let mut load = Load::new();
        for ((mode, family), number) in modes.into_iter().zip(0..) {
            let (client, vip) = (client(&site, mode, family), (family.vip(number), HTTP));
            client.download(vip, 1_000_000)?;
            // Full frames towards the servers: those that merge.
            let body = vec![7; 1_000_000];
            ensure!(client.post(vip, "/echo", &body)?.body == body, "{mode}: other bytes");
            let tally = client.tally(vip, 20)?;
            ensure!(tally.values().all(|count| *count == 10), "{mode}: {tally:?}");
            load.one_connection(&client, vip)?;
        }
        let too_big = director.reason("too-big")?;
        // Those that the tunnel's header makes too long, until the client knows.
        ensure!(too_big < 100, "{too_big} packets were too big");
        director.kill()?;
        load.goes_on()?;
        director.start()?;
        load.finish()?;
        let status = director.status()?;
        ensure!(status.interfaces[0].attached == AttachMode::Generic, "{:?}", status.interfaces);
        Ok(())
    });
}
