//! The agent can die; traffic doesn't.

use crate::setting::{client, pinned, service, web};
use anyhow::{Context, Result, ensure};
use lb_common::api::{AttachMode, Mode, Protocol, Stats};
use lb_tests::lab::{Lab, Load};
use lb_tests::site::{self, Director, ECHO, Family, HTTP, ServiceText, Site, UDP, director};
use std::collections::BTreeMap;

/// How often the agent dies in each way.
const DEATHS: usize = 2;

#[test]
fn traffic_outlives_the_agent_ipv4() {
    Lab::story("restarts-v4", |lab| restarts(lab, Family::V4));
}

#[test]
fn traffic_outlives_the_agent_ipv6() {
    Lab::story("restarts-v6", |lab| restarts(lab, Family::V6));
}

fn restarts(lab: &Lab, family: Family) -> Result<()> {
    let site = Site::new(lab, 2)?;
    let modes = [Mode::Nat, Mode::Dr];
    let mut director = director(lab, &site.director, &site::config(&services(family)))?;
    director.wait_until_resolved()?;
    let mut load = Load::new();
    for (mode, number) in modes.into_iter().zip(0..) {
        let (client, vip) = (client(&site, mode, family), family.vip(number));
        load.one_connection(&client, (vip, HTTP))?;
        load.echo(&client, (vip, ECHO))?;
        load.datagrams(client.clone(), (vip, UDP));
        load.new_connections(client, (vip, HTTP));
    }
    load.goes_on()?;

    let before = pinned(&director)?;
    let mut counted = connections(&director)?;
    for death in 0..2 * DEATHS {
        if death % 2 == 0 { director.kill() } else { director.stop() }?;
        load.goes_on().context("without an agent")?;
        director.start()?;
        load.goes_on().context("with a new agent")?;

        ensure!(pinned(&director)? == before, "other pins: {:?}", pinned(&director)?);
        let interfaces = director.status()?.interfaces;
        ensure!(interfaces[0].attached == AttachMode::Native, "{interfaces:?}");
        let now = connections(&director)?;
        ensure!(
            counted.iter().all(|(service, before)| now[service].connections >= before.connections
                && now[service].packets_in > before.packets_in),
            "counters of {counted:?} went on as {now:?}"
        );
        counted = now;
    }
    load.finish()?;
    let repaired = director.status()?.warnings;
    ensure!(repaired.is_empty(), "{repaired:?}");
    Ok(())
}

/// HTTP, echo over TCP and echo over UDP, for each mode.
fn services(family: Family) -> Vec<ServiceText> {
    let servers = [family.server(0), family.server(1)];
    let all = [Mode::Nat, Mode::Dr].into_iter().zip(0..).map(|(mode, number)| {
        let vip = family.vip(number);
        let udp = service(&format!("udp-{mode}"), mode, (vip, UDP), &servers);
        [
            web(&format!("web-{mode}"), mode, family, number, 2),
            service(&format!("echo-{mode}"), mode, (vip, ECHO), &servers),
            ServiceText { protocol: Protocol::Udp, ..udp },
        ]
    });
    all.flatten().collect()
}

fn connections(director: &Director) -> Result<BTreeMap<String, Stats>> {
    let services = director.services()?;
    Ok(services.into_iter().map(|service| (service.name, service.stats)).collect())
}
