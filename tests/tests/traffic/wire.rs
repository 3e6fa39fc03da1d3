//! The first packets of a connection as they arrive at a server.

use super::Scene;
use anyhow::{Context, Result, ensure};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use lb_common::api::{Mode, Scheduler};
use lb_tests::lab::{Capture, Direction, Frame, Lab, SOON, verify_checksums, wait_until};
use lb_tests::site::{Family, HTTP, HTTP_ALT};
use std::net::IpAddr;

const CLIENT_TTL: u8 = 64;

#[test]
fn nat_rewrites_address_and_port() {
    for family in Family::BOTH {
        first_packet(Mode::Nat, family, |scene, frame| {
            let packet = frame.parse()?;
            let index = scene.server_of(frame)?;
            let expected = (family.routed_client(), family.server(index), HTTP_ALT);
            ensure!(ends(&packet)? == expected, "{packet:?}");
            ensure!(ttl(&packet)? == CLIENT_TTL - 1, "{packet:?}");
            Ok(())
        });
    }
}

#[test]
fn dr_keeps_the_packet() {
    for family in Family::BOTH {
        first_packet(Mode::Dr, family, |scene, frame| {
            let packet = frame.parse()?;
            scene.server_of(frame)?;
            ensure!(ends(&packet)? == (family.direct_client(), scene.vip, HTTP), "{packet:?}");
            ensure!(ttl(&packet)? == CLIENT_TTL - 1, "{packet:?}");
            Ok(())
        });
    }
}

#[test]
fn tunnel_puts_the_packet_into_another() {
    for family in Family::BOTH {
        first_packet(Mode::Tunnel, family, |scene, frame| {
            let index = scene.server_of(frame)?;
            let (header, source, destination) = outer(frame)?;
            ensure!(destination == family.server(index), "outer destination {destination}");
            // Whichever of its addresses the director's routing table prefers.
            scene.site.director.client().from_address(source).ping(source)?;
            let inner = SlicedPacket::from_ip(&frame.bytes[header..])?;
            ensure!(ends(&inner)? == (family.direct_client(), scene.vip, HTTP), "{inner:?}");
            ensure!(ttl(&inner)? == CLIENT_TTL - 1, "{inner:?}");
            Ok(())
        });
    }
}

/// A request in the given mode; `check` sees its SYN at the server.
fn first_packet(mode: Mode, family: Family, check: impl Fn(&Scene, &Frame) -> Result<()>) {
    Lab::story(&format!("wire-{mode}-{}", family.name()), |lab| {
        let scene = Scene::new(lab, mode, family, Scheduler::Rr)?;
        let captures: Vec<Capture> =
            scene.site.servers.iter().map(|server| server.link.capture()).collect::<Result<_>>()?;
        let client = scene.site.client_link.capture()?;
        scene.client.get((scene.vip, HTTP), "/name")?;
        let from_director = |frame: &Frame| {
            frame.direction == Direction::In && scene.server_of(frame).is_ok() && is_tcp(frame)
        };
        // Of three servers only the chosen one sees the connection.
        let seen: Vec<_> =
            captures.iter().flat_map(Capture::frames).filter(from_director).collect();
        ensure!(seen.len() >= 3, "only {} frames reached a server", seen.len());
        for frame in &seen {
            let verdict = verify_checksums(&frame.bytes);
            verdict.map_err(anyhow::Error::msg).with_context(|| format!("{:02x?}", frame.bytes))?;
        }
        check(&scene, &seen[0])?;
        client.wait_for(SOON, "an answer in the virtual address's name", |frame| {
            frame.direction == Direction::In
                && frame.parse().is_ok_and(
                    |packet| matches!(source(&packet), Ok(address) if address == scene.vip),
                )
        })?;
        Ok(())
    });
}

impl Scene {
    /// Index of the server that a frame from the director is addressed to.
    fn server_of(&self, frame: &Frame) -> Result<usize> {
        ensure!(frame.bytes[6..12] == self.site.director_link.mac()?, "not from the director");
        for (index, server) in self.site.servers.iter().enumerate() {
            if frame.bytes[..6] == server.link.mac()? {
                return Ok(index);
            }
        }
        anyhow::bail!("to no server")
    }
}

/// Whether a frame is one of TCP, in a tunnel or not.
fn is_tcp(frame: &Frame) -> bool {
    let plain = frame.parse().is_ok_and(|packet| packet.transport.is_some());
    plain || outer(frame).is_ok()
}

/// Source, destination and destination port.
fn ends(packet: &SlicedPacket<'_>) -> Result<(IpAddr, IpAddr, u16)> {
    let destination = match packet.net.as_ref().context("no IP")? {
        NetSlice::Ipv4(ip) => ip.header().destination_addr().into(),
        NetSlice::Ipv6(ip) => ip.header().destination_addr().into(),
        NetSlice::Arp(_) => anyhow::bail!("ARP"),
    };
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { anyhow::bail!("no TCP") };
    Ok((source(packet)?, destination, tcp.destination_port()))
}

fn source(packet: &SlicedPacket<'_>) -> Result<IpAddr> {
    Ok(match packet.net.as_ref().context("no IP")? {
        NetSlice::Ipv4(ip) => ip.header().source_addr().into(),
        NetSlice::Ipv6(ip) => ip.header().source_addr().into(),
        NetSlice::Arp(_) => anyhow::bail!("ARP"),
    })
}

fn ttl(packet: &SlicedPacket<'_>) -> Result<u8> {
    Ok(match packet.net.as_ref().context("no IP")? {
        NetSlice::Ipv4(ip) => ip.header().ttl(),
        NetSlice::Ipv6(ip) => ip.header().hop_limit(),
        NetSlice::Arp(_) => anyhow::bail!("ARP"),
    })
}

/// Of a tunnel's frame: where the inner packet begins, outer source and destination.
fn outer(frame: &Frame) -> Result<(usize, IpAddr, IpAddr)> {
    const ETHERNET: usize = 14;
    const ENCAPSULATED: [u8; 2] = [4, 41];
    let packet = frame.parse()?;
    let (length, protocol) = match packet.net.as_ref().context("no IP")? {
        NetSlice::Ipv4(ip) => (20, ip.header().protocol().0),
        NetSlice::Ipv6(ip) => (40, ip.header().next_header().0),
        NetSlice::Arp(_) => anyhow::bail!("ARP"),
    };
    ensure!(ENCAPSULATED.contains(&protocol), "protocol {protocol} is no tunnel");
    let destination = match packet.net.as_ref().context("no IP")? {
        NetSlice::Ipv4(ip) => IpAddr::from(ip.header().destination_addr()),
        NetSlice::Ipv6(ip) => IpAddr::from(ip.header().destination_addr()),
        NetSlice::Arp(_) => anyhow::bail!("ARP"),
    };
    Ok((ETHERNET + length, source(&packet)?, destination))
}
