//! A client's next connections go to the same server.

use super::{Scene, web};
use anyhow::{Context, Result, ensure};
use lb_common::api::{Mode, Scheduler, Verdict};
use lb_tests::lab::{Lab, SOON, TcpEcho, ip, wait_until, wildcard};
use lb_tests::site::{Family, HTTP, Server};
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

/// How long clients are remembered in a story that waits for the end of it, in seconds.
const SHORT: u64 = 3;

/// How long in all others.
const LONG: &str = "    persist: 10m\n";

#[test]
fn each_client_stays_nat_v4() {
    each_client_stays(Mode::Nat, Family::V4, ["203.0.113.21", "203.0.113.22", "203.0.113.23"]);
}

#[test]
fn each_client_stays_dr_v6() {
    let clients = ["2001:db8:1::21", "2001:db8:1::22", "2001:db8:1::23"];
    each_client_stays(Mode::Dr, Family::V6, clients);
}

/// Round robin gives each of three clients another server, and keeps it there, whatever the others
/// do, until it is forgotten.
fn each_client_stays(mode: Mode, family: Family, clients: [&str; 3]) {
    Lab::story(&format!("persist-{mode}"), |lab| {
        let scene = persistent(lab, mode, family, &format!("    persist: {SHORT}s\n"))?;
        let clients = clients.map(ip);
        clients.iter().try_for_each(|&client| scene.address(client))?;
        let servers: Vec<String> =
            clients.iter().map(|&one| scene.taken_by(one)).collect::<Result<_>>()?;
        let mut all = servers.clone();
        all.sort();
        ensure!(all == ["web1", "web2", "web3"], "{servers:?}");
        for _ in 0..5 {
            for (client, server) in clients.iter().zip(&servers) {
                let now = scene.taken_by(*client)?;
                ensure!(now == *server, "{client}: {now} after {server}");
            }
        }
        // Whoever asks keeps being remembered, so nobody does. A second is the clock's step, and
        // another one is for the last segments of the connections before.
        sleep(Duration::from_secs(SHORT + 2));
        let now = scene.taken_by(clients[1])?;
        ensure!(now == servers[0], "{now}: the turn was that of {}", servers[0]);
        Ok(())
    });
}

#[test]
fn a_network_stays_v4() {
    let (near, far) = (["198.51.100.17", "198.51.100.30"], "198.51.100.33");
    for mask in ["28", "255.255.255.240"] {
        a_network_stays(Family::V4, mask, near, far);
    }
}

#[test]
fn a_network_stays_v6() {
    let near = ["2001:db8:1:0:7::1", "2001:db8:1:0:7:8:9:a"];
    a_network_stays(Family::V6, "80", near, "2001:db8:1:0:8::1");
}

/// Clients whose addresses begin alike count as one.
fn a_network_stays(family: Family, mask: &str, near: [&str; 2], far: &str) {
    Lab::story("persist-network", |lab| {
        let more = format!("{LONG}    persist_netmask: {mask}\n");
        let scene = persistent(lab, Mode::Dr, family, &more)?;
        let [one, neighbour, far] = [near[0], near[1], far].map(ip);
        [one, neighbour, far].into_iter().try_for_each(|client| scene.address(client))?;
        let server = scene.taken_by(one)?;
        for _ in 0..4 {
            let near = scene.taken_by(neighbour)?;
            ensure!(near == server, "{near} serves a neighbour, not {server}");
        }
        let far = scene.taken_by(far)?;
        ensure!(far != server, "{far} serves another network as well");
        Ok(())
    });
}

/// A server that is drained, disabled or down keeps nobody: its clients choose once more, and stay
/// there.
#[test]
fn clients_of_a_server_that_goes_choose_again() {
    const CHECKED: u16 = 9000;
    Lab::story("persist-gone", |lab| {
        let check = format!(
            "{LONG}    check: {{ type: tcp, port: {CHECKED}, interval: 300ms, timeout: 250ms, fall: 2 }}\n"
        );
        let family = Family::V4;
        let mut checked = Vec::new();
        let scene = Scene::with(lab, family, |site| {
            let listen = |server: &Server| TcpEcho::start(&server.host, wildcard(CHECKED));
            checked.extend(site.servers.iter().map(|server| (server.name.clone(), listen(server))));
            vec![web(site, Mode::Nat, family, Scheduler::Rr, &check, &[1, 1, 1])]
        })?;
        let is = |name: &str, verdict| {
            let found = scene.director.server("web", name);
            found.is_ok_and(|found| found.server.health == Some(verdict))
        };
        wait_until(SOON, "all are up", || {
            ["web1", "web2", "web3"].iter().all(|name| is(name, Verdict::Up))
        })?;
        let client = family.routed_client();
        let stays = |server: &str| -> Result<()> {
            for _ in 0..4 {
                let now = scene.taken_by(client)?;
                ensure!(now == server, "{now}, not {server}");
            }
            Ok(())
        };

        let first = scene.taken_by(client)?;
        stays(&first)?;
        scene.director.ctl(&["server", "drain", &format!("web/{first}")])?;
        let second = scene.taken_by(client)?;
        ensure!(second != first, "{first} is drained");
        stays(&second)?;
        scene.director.ctl(&["server", "enable", &format!("web/{first}")])?;
        stays(&second).context("when the first is back")?;

        checked.retain(|(name, _)| *name != second);
        wait_until(SOON, "it is down", || is(&second, Verdict::Down))?;
        let third = scene.taken_by(client)?;
        ensure!(third != second, "{second} is down");
        stays(&third)?;

        scene.director.ctl(&["server", "disable", &format!("web/{third}")])?;
        let last = scene.taken_by(client)?;
        ensure!(last != second && last != third, "{last} takes over from {second} and {third}");
        stays(&last)
    });
}

/// Three servers in turn, and further lines of their service.
fn persistent(lab: &Lab, mode: Mode, family: Family, more: &str) -> Result<Scene> {
    Scene::with(lab, family, |site| vec![web(site, mode, family, Scheduler::Rr, more, &[1, 1, 1])])
}

impl Scene {
    /// Gives the client's host another address.
    fn address(&self, client: IpAddr) -> Result<()> {
        let whole = if client.is_ipv4() { 32 } else { 128 };
        self.site.client_link.address(&format!("{client}/{whole}"))?;
        Ok(())
    }

    /// Who takes a new connection of a client.
    fn taken_by(&self, client: IpAddr) -> Result<String> {
        let client = self.site.client.client().from_address(client);
        Ok(client.get((self.vip, HTTP), "/name")?.text())
    }
}
