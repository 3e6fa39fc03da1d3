//! What `lb-ctl` says, compared with what the client sees on its wire.

use crate::setting::{client, concerns, service, web};
use anyhow::{Context, Result, ensure};
use lb_common::api::{AttachMode, Connections, Mode, Protocol, Service, Stats};
use lb_tests::lab::{Capture, Direction, Lab, SOON, wait_until};
use lb_tests::site::{self, Director, Family, HTTP, ServiceText, Site, UDP, director};
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

#[test]
fn counters_are_what_the_client_counts_ipv4() {
    Lab::story("numbers-v4", |lab| counters(lab, Family::V4));
}

#[test]
fn counters_are_what_the_client_counts_ipv6() {
    Lab::story("numbers-v6", |lab| counters(lab, Family::V6));
}

fn counters(lab: &Lab, family: Family) -> Result<()> {
    let site = Site::new(lab, 2)?;
    let servers = [family.server(0), family.server(1)];
    let udp = service("udp", Mode::Nat, (family.vip(2), UDP), &servers);
    let services = [
        web("nat", Mode::Nat, family, 0, 2),
        web("dr", Mode::Dr, family, 1, 2),
        ServiceText { protocol: Protocol::Udp, ..udp },
    ];
    let director = director(lab, &site.director, &site::config(&services))?;
    director.wait_until_resolved()?;
    let seen = Capture::start(&site.client, "eth0")?;

    for (mode, number) in [(Mode::Nat, 0), (Mode::Dr, 1)] {
        let client = client(&site, mode, family);
        client.tally((family.vip(number), HTTP), 20)?;
        client.download((family.vip(number), HTTP), 200_000)?;
        ensure!(client.post((family.vip(number), HTTP), "/echo", &[7; 100_000])?.status == 200);
    }
    client(&site, Mode::Nat, family).udp_tally((family.vip(2), UDP), 30)?;

    for (name, number, connections) in [("nat", 0, 22), ("dr", 1, 22), ("udp", 2, 30)] {
        // The last segments of the last connections may be under way.
        let mut last = (Stats::default(), Stats::default());
        let same = wait_until(SOON, "the counters agree", || {
            let counted = one(&director, name).map(|service| service.stats).unwrap_or_default();
            let mut wanted = wire(&seen, family.vip(number));
            wanted.connections = connections;
            if name == "dr" {
                // Answers don't pass the director.
                (wanted.packets_out, wanted.bytes_out) = (0, 0);
            }
            last = (counted, wanted);
            counted == wanted
        });
        same.with_context(|| format!("{name}: counted {:?}, sent {:?}", last.0, last.1))?;
        let service = one(&director, name)?;
        let each = service.servers.iter().map(|server| server.stats);
        ensure!(each.clone().all(|stats| stats.connections == connections / 2), "{service:?}");
        let sum = each.fold(Stats::default(), |sum, stats| Stats {
            connections: sum.connections + stats.connections,
            packets_in: sum.packets_in + stats.packets_in,
            bytes_in: sum.bytes_in + stats.bytes_in,
            packets_out: sum.packets_out + stats.packets_out,
            bytes_out: sum.bytes_out + stats.bytes_out,
        });
        ensure!(sum == service.stats, "the servers of {name} have {sum:?} of {:?}", service.stats);
        let table = director.ctl(&["service", "show", name])?;
        ensure!(table.contains(&family.vip(number).to_string()), "{table}");
        let stats = director.ctl(&["stats"])?;
        let line = stats.lines().find(|line| line.contains(name) && line.contains("(all)"));
        ensure!(line.is_some_and(|line| line.contains(&connections.to_string())), "{stats}");
    }
    Ok(())
}

#[test]
fn connections_drops_and_status_are_right() {
    Lab::story("questions", |lab| {
        let site = Site::new(lab, 2)?;
        let family = Family::V4;
        let udp = service("udp", Mode::Nat, (family.vip(2), UDP), &[family.server(0)]);
        let mut drained = web("drained", Mode::Nat, family, 1, 1);
        drained.servers[0].3 = 0;
        let services = [
            web("web", Mode::Nat, family, 0, 2),
            drained,
            ServiceText { protocol: Protocol::Udp, ..udp },
        ];
        let director = director(lab, &site.director, &site::config(&services))?;
        director.wait_until_resolved()?;
        let vip = (family.vip(0), HTTP);
        let client = client(&site, Mode::Nat, family);

        let mut long = Vec::new();
        for _ in 0..4 {
            let mut connection = client.connect(vip)?;
            let name = connection.get("/name")?.text();
            long.push((connection, name));
        }
        let found: Connections = json(&director, &["connections"])?;
        ensure!((found.total, found.connections.len()) == (4, 4), "{found:?}");
        for (connection, name) in &long {
            let local = connection.local_address()?;
            let flow = found.connections.iter().find(|flow| flow.client == local);
            let flow = flow.context("a connection is missing")?;
            ensure!((&flow.server, flow.state.as_str()) == (name, "established"), "{flow:?}");
            ensure!(flow.address == vip.into() && flow.service == "web", "{flow:?}");
            ensure!(flow.idle < 10 && flow.expires > 0, "{flow:?}");
        }
        let some: Connections = json(&director, &["connections", "--server", "web/web1"])?;
        ensure!(some.total == 2 && some.connections.iter().all(|flow| flow.server == "web1"));
        let some: Connections = json(&director, &["connections", "--limit", "1"])?;
        ensure!((some.total, some.connections.len()) == (4, 1), "{some:?}");
        let services: Vec<Service> = json(&director, &["service", "ls"])?;
        ensure!(services[0].servers.iter().all(|server| server.active == 2), "{services:?}");
        for (server, known) in site.servers.iter().zip(&services[0].servers) {
            let mac = server.link.mac()?.map(|byte| format!("{byte:02x}")).join(":");
            let hop = known.next_hop.as_ref().context("no next hop")?;
            ensure!(hop.interface == "eth0" && hop.mac.as_ref() == Some(&mac), "{hop:?}");
        }

        // Seven packets that die on the way, and one that nobody can take.
        let socket = client.udp((family.vip(0), 9))?;
        ensure!(socket.send(b"not for a service").is_ok());
        let before = director.reason("ttl-expired")?;
        let dying = client.udp((family.vip(2), UDP))?;
        dying.set_ttl(1)?;
        for _ in 0..7 {
            // The answer to the one before may be told here.
            while dying.send(b"short of breath").is_err() {}
        }
        wait_until(SOON, "seven packets are counted", || {
            director.reason("ttl-expired").is_ok_and(|now| now == before + 7)
        })?;
        let hopeless = client.clone().timeout(Duration::from_millis(300));
        ensure!(hopeless.get((family.vip(1), HTTP), "/").is_err(), "an answer from no server");
        ensure!(director.reason("no-server")? >= 1, "not counted");
        let drops = director.ctl(&["drops"])?;
        for words in ["ttl-expired", "TTL or hop limit used up", "no-server"] {
            ensure!(drops.contains(words), "{drops}");
        }
        ensure!(!drops.contains("to-server"), "{drops}");
        ensure!(director.ctl(&["drops", "--all"])?.contains("to-server"));

        let status = director.status()?;
        ensure!(status.node == "director" && status.services == 3 && status.servers == 4);
        ensure!(status.config == director.config().display().to_string(), "{status:?}");
        ensure!(status.interfaces[0].attached == AttachMode::Native, "{status:?}");
        for arguments in [
            &["status"][..],
            &["service", "ls"],
            &["service", "show", "web"],
            &["server", "ls"],
            &["server", "ls", "web"],
            &["connections"],
            &["stats"],
            &["drops"],
        ] {
            json::<Value>(&director, arguments)?;
            let table = director.ctl(arguments)?;
            ensure!(!table.is_empty() && !table.contains('\x1b'), "{arguments:?}: {table:?}");
        }
        ensure!(!director.log().contains('\x1b'), "the log has colours: {:?}", director.log());
        Ok(())
    });
}

fn json<T: serde::de::DeserializeOwned>(director: &Director, arguments: &[&str]) -> Result<T> {
    let answer = director.ctl(&[&["-o", "json"], arguments].concat())?;
    serde_json::from_str(&answer).with_context(|| format!("{arguments:?}: {answer}"))
}

fn one(director: &Director, service: &str) -> Result<Service> {
    json(director, &["service", "show", service])
}

/// What the client has sent to a virtual address and got from it.
fn wire(seen: &Capture, vip: IpAddr) -> Stats {
    let mut stats = Stats::default();
    for frame in seen.frames().iter().filter(|frame| concerns(frame, vip)) {
        let packet = &frame.bytes[14..];
        let length = match vip {
            IpAddr::V4(_) => u16::from_be_bytes([packet[2], packet[3]]).into(),
            IpAddr::V6(_) => 40 + u64::from(u16::from_be_bytes([packet[4], packet[5]])),
        };
        match frame.direction {
            Direction::Out => {
                stats.packets_in += 1;
                stats.bytes_in += length;
            }
            Direction::In => {
                stats.packets_out += 1;
                stats.bytes_out += length;
            }
        }
    }
    stats
}
