//! Servers that are to get fewer connections, or none.

use crate::setting::{client, server, web};
use anyhow::{Context, Result, ensure};
use lb_common::api::{Mode, ServerState};
use lb_tests::lab::{Connection, Lab, Tally};
use lb_tests::site::{self, Director, Family, HTTP, Site, director};

#[test]
fn a_drain_spares_connections_and_outlives_the_agent_nat_ipv4() {
    Lab::story("drain-nat", |lab| drain(lab, Mode::Nat, Family::V4));
}

#[test]
fn a_drain_spares_connections_and_outlives_the_agent_dr_ipv6() {
    Lab::story("drain-dr", |lab| drain(lab, Mode::Dr, Family::V6));
}

fn drain(lab: &Lab, mode: Mode, family: Family) -> Result<()> {
    let (site, mut director) = start(lab, mode, family)?;
    let (client, vip) = (client(&site, mode, family), (family.vip(0), HTTP));
    let mut long = Long::open(6, || Ok(client.connect(vip)?))?;
    ensure!(long.of("web1") == 2, "{:?}", long.names());

    director.ctl(&["server", "drain", "web/web1"])?;
    long.go_on().context("with a drained server")?;
    ensure!(client.tally(vip, 20)? == tally([("web2", 10), ("web3", 10)]));
    let drained = server(&director, "web", "web1")?;
    ensure!(drained.state == ServerState::Drained && drained.active >= 2, "{drained:?}");

    // Right after the acknowledgement, what was acknowledged must be kept.
    director.ctl(&["server", "drain", "web/web2"])?;
    director.kill()?;
    ensure!(client.tally(vip, 10)? == tally([("web3", 10)]), "before the next agent");
    director.start()?;
    ensure!(client.tally(vip, 10)? == tally([("web3", 10)]), "with the next agent");
    long.go_on().context("with the next agent")?;
    for (name, state) in
        [("web1", ServerState::Drained), ("web2", ServerState::Drained), ("web3", ServerState::Up)]
    {
        ensure!(server(&director, "web", name)?.state == state, "{name} isn't {state}");
    }

    director.ctl(&["server", "enable", "web/web1"])?;
    director.kill()?;
    director.start()?;
    ensure!(client.tally(vip, 20)? == tally([("web1", 10), ("web3", 10)]), "enabled");
    director.ctl(&["server", "enable", "web/web2"])?;
    ensure!(client.tally(vip, 30)? == tally([("web1", 10), ("web2", 10), ("web3", 10)]));
    long.go_on().context("after the drain")
}

#[test]
fn when_all_are_drained_nobody_gets_new_connections() {
    Lab::story("drain-all", |lab| {
        let (site, director) = start(lab, Mode::Nat, Family::V4)?;
        let (client, vip) = (client(&site, Mode::Nat, Family::V4), (Family::V4.vip(0), HTTP));
        let mut long = Long::open(3, || Ok(client.connect(vip)?))?;
        for server in ["web/web1", "web/web2", "web/web3"] {
            director.ctl(&["server", "drain", server])?;
        }
        let before = director.reason("no-server")?;
        let error = client.get(vip, "/name").err().context("somebody answered")?;
        ensure!(director.reason("no-server")? > before, "{error}");
        long.go_on()
    });
}

#[test]
fn weights_take_effect_at_once_and_are_kept() {
    Lab::story("weight", |lab| {
        let (site, mut director) = start(lab, Mode::Nat, Family::V4)?;
        let (client, vip) = (client(&site, Mode::Nat, Family::V4), (Family::V4.vip(0), HTTP));
        director.ctl(&["server", "weight", "web/web1", "3"])?;
        ensure!(client.tally(vip, 50)? == tally([("web1", 30), ("web2", 10), ("web3", 10)]));
        director.kill()?;
        director.start()?;
        let changed = server(&director, "web", "web1")?;
        ensure!((changed.weight, changed.configured_weight) == (3, Some(1)), "{changed:?}");
        ensure!(client.tally(vip, 50)? == tally([("web1", 30), ("web2", 10), ("web3", 10)]));

        director.ctl(&["server", "weight", "web/web2", "0"])?;
        ensure!(client.tally(vip, 40)? == tally([("web1", 30), ("web3", 10)]));
        let refused = director.ctl_output(&["server", "weight", "web/web2", "1001"])?;
        ensure!(refused.status.code() == Some(2), "{refused:?}");
        let unknown = director.ctl_output(&["server", "drain", "web/web9"])?;
        let words = String::from_utf8_lossy(&unknown.stderr);
        ensure!(unknown.status.code() == Some(1), "{unknown:?}");
        ensure!(words.contains("known: web1, web2, web3"), "{words}");
        Ok(())
    });
}

fn start(lab: &Lab, mode: Mode, family: Family) -> Result<(Site, Director)> {
    let site = Site::new(lab, 3)?;
    let config = site::config(&[web("web", mode, family, 0, 3)]);
    let director = director(lab, &site.director, &config)?;
    director.wait_until_resolved()?;
    Ok((site, director))
}

fn tally<const N: usize>(counts: [(&str, usize); N]) -> Tally {
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// Connections that stay with their servers.
struct Long(Vec<(String, Connection)>);

impl Long {
    fn open(count: usize, connect: impl Fn() -> Result<Connection>) -> Result<Self> {
        let one = |_| -> Result<_> {
            let mut connection = connect()?;
            let name = connection.get("/name")?.text();
            Ok((name, connection))
        };
        Ok(Self((0..count).map(one).collect::<Result<_>>()?))
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn of(&self, server: &str) -> usize {
        self.names().into_iter().filter(|name| *name == server).count()
    }

    /// Each is answered by the server that it began with.
    fn go_on(&mut self) -> Result<()> {
        for (name, connection) in &mut self.0 {
            let answered = connection.get("/name")?.text();
            ensure!(answered == *name, "{answered} answers instead of {name}");
        }
        Ok(())
    }
}
