//! ICMP: ping to a virtual address, errors about flows, and packets too large for the tunnel.

use super::{Scene, services};
use anyhow::{Result, ensure};
use lb_common::api::{Mode, Scheduler};
use lb_tests::lab::{Host, Lab, SOON, cable, ip, wait_until};
use lb_tests::site::{Family, HTTP, UDP};
use std::io::ErrorKind;

#[test]
fn ping_is_answered_by_the_kernel() {
    Lab::story("ping", |lab| {
        for family in Family::BOTH {
            let scene = Scene::new(lab, Mode::Dr, family, Scheduler::Rr)?;
            scene.client.ping(scene.vip)?;
            ensure!(scene.director.reason("icmp-query")? > 0);
        }
        Ok(())
    });
}

/// A closed port of a NAT server: the client's socket learns it, in the virtual address's name.
#[test]
fn port_unreachable_comes_back_through_nat() {
    const CLOSED: u16 = 9;
    for family in Family::BOTH {
        Lab::story("unreachable", |lab| {
            let scene = Scene::with(lab, family, |site| {
                let mut services = services(site, Mode::Nat, family, Scheduler::Rr);
                for server in services.iter_mut().flat_map(|service| &mut service.servers) {
                    server.2 = CLOSED;
                }
                services
            })?;
            let socket = scene.client.udp((scene.vip, UDP))?;
            let refused = || {
                let sent = socket.send(b"anybody there?");
                sent.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
            };
            wait_until(SOON, "the refusal arrives", refused)?;
            ensure!(scene.director.reason("error-to-client")? > 0);
            Ok(())
        });
    }
}

/// A client behind a link of 1300 bytes: its router's errors reach the server of the flow, which
/// then sends smaller packets.
#[test]
fn a_smaller_link_behind_the_client_is_learnt_by_the_server() {
    for mode in [Mode::Nat, Mode::Dr, Mode::Tunnel] {
        Lab::story(&format!("pmtu-{mode}"), |lab| {
            let scene = Scene::new(lab, mode, Family::V4, Scheduler::Rr)?;
            let far = behind_a_small_link(lab, &scene, mode)?;
            far.client().download((scene.vip, HTTP), 1_000_000)?;
            ensure!(scene.director.reason("error-to-server")? > 0, "no error passed the director");
            Ok(())
        });
    }
}

/// A host whose way to the site leads through the client, over a link of 1300 bytes.
fn behind_a_small_link(lab: &Lab, scene: &Scene, mode: Mode) -> Result<Host> {
    let site = &scene.site;
    let far = lab.host("far")?;
    let (near_link, far_link) = cable((&site.client, "eth1"), (&far, "eth0"))?;
    near_link.address("10.9.0.1/24")?.mtu(1300)?;
    far_link.address("10.9.0.2/24")?;
    far.default_route(ip("10.9.0.1"))?;
    site.client.forward_packets()?;
    site.director.route("10.9.0.0/24", ip("203.0.113.10"))?;
    for (index, server) in site.servers.iter().enumerate() {
        server.link.address(&format!("198.51.100.{}/24", 11 + index))?;
        let via = if mode == Mode::Nat { "192.0.2.1" } else { "198.51.100.10" };
        server.host.route("10.9.0.0/24", ip(via))?;
    }
    Ok(far)
}

/// An upload of full-sized packets does not fit into the tunnel: the client is told and adapts.
#[test]
fn the_tunnel_tells_the_client_its_size() {
    for family in Family::BOTH {
        Lab::story("tunnel-size", |lab| {
            let scene = Scene::new(lab, Mode::Tunnel, family, Scheduler::Rr)?;
            let body = vec![b'x'; 500_000];
            let reply = scene.client.post((scene.vip, HTTP), "/echo", &body)?;
            ensure!(reply.body == body);
            ensure!(scene.director.reason("too-big")? > 0, "nothing was too big");
            Ok(())
        });
    }
}
