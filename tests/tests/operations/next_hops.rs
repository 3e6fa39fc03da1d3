//! Neighbours and routes that change under traffic.

use crate::setting::{client, concerns, server, service, web};
use anyhow::{Context, Result, ensure};
use lb_common::api::{Mode, ServerState};
use lb_tests::lab::{
    Capture, Decapsulator, Direction, Host, HttpServer, Lab, Link, Load, SOON, Switch, ip,
    wait_until, wildcard,
};
use lb_tests::site::{self, Director, Family, HTTP, Site, director};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

/// A server that has got another network card and says so, as machines do when they come up.
#[test]
fn another_mac_is_followed() {
    Lab::story("mac", |lab| {
        let site = Site::new(lab, 1)?;
        let services =
            [web("nat", Mode::Nat, Family::V4, 0, 1), web("dr", Mode::Dr, Family::V6, 1, 1)];
        let director = director(lab, &site.director, &site::config(&services))?;
        director.wait_until_resolved()?;
        let web1 = &site.servers[0];
        web1.host.sysctl("net/ipv4/conf/eth0/arp_notify", "1")?;
        web1.host.sysctl("net/ipv6/conf/eth0/ndisc_notify", "1")?;
        let ask = |timeout| {
            let one = |mode, family: Family, number| {
                let client = client(&site, mode, family).timeout(timeout);
                client.get((family.vip(number), HTTP), "/name").is_ok()
            };
            one(Mode::Nat, Family::V4, 0) && one(Mode::Dr, Family::V6, 1)
        };
        ensure!(ask(SOON), "no answer at all");

        for mac in [[2, 0, 0, 0, 0, 0xa1], [2, 0, 0, 0, 0, 0xa2]] {
            web1.link.set_mac(mac)?;
            // Its own neighbours, the client among them, went with the old address.
            wait_until(SOON, "traffic to the new MAC", || ask(Duration::from_millis(300)))?;
            let text = mac.map(|byte| format!("{byte:02x}")).join(":");
            for service in ["nat", "dr"] {
                let known = server(&director, service, "web1")?.next_hop.and_then(|hop| hop.mac);
                ensure!(known.as_deref() == Some(text.as_str()), "{known:?} is not {text}");
            }
        }
        Ok(())
    });
}

/// Nobody says anything, the kernel forgets what it knew: connections pause at most.
#[test]
fn neighbours_that_are_flushed_come_back() {
    Lab::story("flush", |lab| {
        let site = Site::new(lab, 2)?;
        let services =
            [web("nat", Mode::Nat, Family::V4, 0, 2), web("dr", Mode::Dr, Family::V6, 1, 2)];
        let director = director(lab, &site.director, &site::config(&services))?;
        director.wait_until_resolved()?;
        let nat = client(&site, Mode::Nat, Family::V4);
        let dr = client(&site, Mode::Dr, Family::V6);
        let mut long =
            [nat.connect((Family::V4.vip(0), HTTP))?, dr.connect((Family::V6.vip(1), HTTP))?];
        for _ in 0..3 {
            site.director_link.flush_neighbours()?;
            for connection in &mut long {
                connection.get("/name")?;
            }
            nat.tally((Family::V4.vip(0), HTTP), 10)?;
            dr.tally((Family::V6.vip(1), HTTP), 10)?;
            director.wait_until_resolved()?;
        }
        Ok(())
    });
}

/// ```text
///   lan 192.0.2.0/24 ── gateway 192.0.2.3 ── 10.9.0.3 ──┐
///                    ── other   192.0.2.4 ── 10.9.0.4 ──┴── far 10.9.0.11
/// ```
struct Behind {
    gateways: [(Host, Link); 2],
    far: Host,
    _lan: Switch,
    _http: HttpServer,
    _decapsulator: Decapsulator,
}

const FAR: &str = "10.9.0.11";
const FAR_V6: &str = "2001:db8:9::11";

impl Behind {
    fn new(lab: &Lab, site: &Site) -> Result<Self> {
        let lan = lab.switch("behind")?;
        let gateway = |name: &str, number: u8| -> Result<_> {
            let host = lab.host(name)?;
            host.forward_packets()?;
            let link = site.lan.join(&host, "eth0")?;
            link.address(&format!("192.0.2.{number}/24"))?;
            link.address(&format!("2001:db8:a::{number}/64"))?;
            link.route("198.51.100.0/24")?.route("2001:db8:1::/64")?;
            host.route("203.0.113.0/24", ip("192.0.2.1"))?;
            host.route("2001:db8:2::/64", ip("2001:db8:a::1"))?;
            let inside = lan.join(&host, "eth1")?;
            inside.address(&format!("10.9.0.{number}/24"))?;
            inside.address(&format!("2001:db8:9::{number}/64"))?;
            Ok((host, link))
        };
        let gateways = [gateway("gateway", 3)?, gateway("other", 4)?];
        let far = lab.host("far")?;
        let link = lan.join(&far, "eth0")?;
        link.address(&format!("{FAR}/24"))?.address(&format!("{FAR_V6}/64"))?;
        far.default_route(ip("10.9.0.3"))?.default_route(ip("2001:db8:9::3"))?;
        for family in Family::BOTH {
            far.accept_vip(family.vip(1))?;
        }
        site.director.route("10.9.0.0/24", ip("192.0.2.3"))?;
        site.director.route("2001:db8:9::/64", ip("2001:db8:a::3"))?;
        Ok(Self {
            gateways,
            _http: HttpServer::start(&far, "far", wildcard(HTTP))?,
            _decapsulator: Decapsulator::start(&far)?,
            far,
            _lan: lan,
        })
    }
}

#[test]
fn a_server_behind_a_gateway_ipv4() {
    Lab::story("gateway-v4", |lab| behind_a_gateway(lab, Family::V4));
}

#[test]
fn a_server_behind_a_gateway_ipv6() {
    Lab::story("gateway-v6", |lab| behind_a_gateway(lab, Family::V6));
}

fn behind_a_gateway(lab: &Lab, family: Family) -> Result<()> {
    let site = Site::new(lab, 1)?;
    let behind = Behind::new(lab, &site)?;
    let (far, network, gateways, inside) = match family {
        Family::V4 => (FAR, "10.9.0.0/24", ["192.0.2.3", "192.0.2.4"], "10.9.0.4"),
        Family::V6 => {
            (FAR_V6, "2001:db8:9::/64", ["2001:db8:a::3", "2001:db8:a::4"], "2001:db8:9::4")
        }
    };
    let modes = [Mode::Nat, Mode::Tunnel];
    let services = modes.into_iter().zip(0..).map(|(mode, number)| {
        service(&mode.to_string(), mode, (family.vip(number), HTTP), &[ip(far)])
    });
    let director = director(lab, &site.director, &site::config(&services.collect::<Vec<_>>()))?;
    director.wait_until_resolved()?;
    via(&director, ip(gateways[0]))?;
    let mut load = Load::new();
    for (mode, number) in modes.into_iter().zip(0..) {
        let (client, vip) = (client(&site, mode, family), (family.vip(number), HTTP));
        client.download(vip, 300_000).with_context(|| format!("{mode}"))?;
        load.one_connection(&client, vip)?;
        load.new_connections(client, vip);
    }
    load.goes_on()?;

    // To the other gateway, which the director knows, and back by it, before the first goes. A
    // more specific route takes the old one's place, so that there is one at every moment.
    site.director.client().ping(ip(gateways[1]))?;
    let prefix = format!("{far}/{}", if family == Family::V4 { 32 } else { 128 });
    site.director.route(&prefix, ip(gateways[1]))?;
    wait_until(SOON, "the new gateway is used", || via(&director, ip(gateways[1])).is_ok())?;
    let default = if family == Family::V4 { "0.0.0.0/0" } else { "::/0" };
    let halves = match family {
        Family::V4 => ["0.0.0.0/1", "128.0.0.0/1"],
        Family::V6 => ["::/1", "8000::/1"],
    };
    for half in halves {
        behind.far.route(half, ip(inside))?;
    }
    behind.far.remove_route(default)?;
    load.goes_on()?;
    behind.gateways[0].1.down()?;
    load.finish()?;
    ensure!(site.director.remove_route(network).is_ok(), "the first route was in use to the end");
    Ok(())
}

/// All servers are reached by this gateway.
fn via(director: &Director, gateway: IpAddr) -> Result<()> {
    for server in director.services()?.iter().flat_map(|service| &service.servers) {
        let hop = server.next_hop.as_ref().context("no next hop")?;
        ensure!(hop.gateway == Some(gateway) && hop.mac.is_some(), "{hop:?}");
        ensure!(server.state == ServerState::Up, "{}", server.state);
    }
    Ok(())
}

#[test]
fn a_server_that_nobody_is_yet_ipv4() {
    Lab::story("absent-v4", |lab| absent(lab, Family::V4, ip("192.0.2.50")));
}

#[test]
fn a_server_that_nobody_is_yet_ipv6() {
    Lab::story("absent-v6", |lab| absent(lab, Family::V6, ip("2001:db8:a::50")));
}

fn absent(lab: &Lab, family: Family, address: IpAddr) -> Result<()> {
    let site = Site::new(lab, 1)?;
    let modes = [Mode::Nat, Mode::Dr];
    let services = modes.into_iter().zip(0..).map(|(mode, number)| {
        service(&mode.to_string(), mode, (family.vip(number), HTTP), &[address])
    });
    let director = director(lab, &site.director, &site::config(&services.collect::<Vec<_>>()))?;
    let seen = Capture::start(&site.client, "eth0")?;
    for (mode, number) in modes.into_iter().zip(0..) {
        let vip = family.vip(number);
        let client = client(&site, mode, family).timeout(Duration::from_millis(700));
        let before = director.reason("next-hop-unresolved")?;
        let error = client.get((vip, HTTP), "/name").err().context("an answer from nobody")?;
        ensure!(error.kind() == ErrorKind::TimedOut, "{mode}: {error}");
        ensure!(director.reason("next-hop-unresolved")? > before, "{mode}: not counted");
        let state = server(&director, &mode.to_string(), "web1")?.state;
        ensure!(state == ServerState::Unresolved, "{mode}: {state}");
        let answers = seen
            .frames()
            .into_iter()
            .filter(|frame| frame.direction == Direction::In && concerns(frame, vip));
        ensure!(answers.count() == 0, "{mode}: something answers for the server");
    }
    ensure!(director.ctl(&["server", "ls"])?.contains("unresolved"), "not in the table");

    let late = lab.host("late")?;
    for number in 0..2 {
        late.accept_vip(family.vip(number))?;
    }
    let link = site.lan.join(&late, "eth0")?;
    let bits = if family == Family::V4 { 24 } else { 64 };
    link.address(&format!("{address}/{bits}"))?;
    match family {
        Family::V4 => {
            link.route("198.51.100.0/24")?;
            late.route("203.0.113.0/24", ip("192.0.2.1"))?;
        }
        Family::V6 => {
            link.route("2001:db8:1::/64")?;
            late.route("2001:db8:2::/64", ip("2001:db8:a::1"))?;
        }
    }
    let _http = HttpServer::start(&late, "late", wildcard(HTTP))?;
    director.wait_until_resolved()?;
    for (mode, number) in modes.into_iter().zip(0..) {
        let reply = client(&site, mode, family).get((family.vip(number), HTTP), "/name")?;
        ensure!(reply.text() == "late", "{}", reply.text());
    }
    Ok(())
}
