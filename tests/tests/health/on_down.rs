//! What becomes of the connections of a server that goes down.

use crate::setting::{FAST, Scene, Text, WEB, nginx, seconds};
use anyhow::{Context, Result, ensure};
use lb_common::api::{Mode, Verdict};
use lb_tests::lab::{Lab, Nginx};
use lb_tests::site::{ECHO, Family, Site};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Port of the nginx that is checked; connections go to another server, which lives on.
const CHECKED: u16 = 8000;
/// Connections, of which each server gets a half.
const CONNECTIONS: usize = 6;

#[test]
fn a_client_that_only_reads_is_reset_nat_v4() {
    reset(Mode::Nat, Family::V4);
}

#[test]
fn a_client_that_only_reads_is_reset_nat_v6() {
    reset(Mode::Nat, Family::V6);
}

#[test]
fn a_client_that_only_reads_is_reset_dr_v6() {
    reset(Mode::Dr, Family::V6);
}

#[test]
fn a_client_that_only_reads_is_reset_tunnel_v4() {
    reset(Mode::Tunnel, Family::V4);
}

fn reset(mode: Mode, family: Family) {
    Lab::story(&format!("down-reset-{mode}"), |lab| {
        let (scene, mut nginx) = start(lab, mode, family, "on_down: reset")?;
        let mut streams = open(&scene)?;
        nginx[0].stop()?;
        scene.wait_for_verdict("web1", Verdict::Down)?;
        let start = Instant::now();
        for (server, stream) in &mut streams {
            stream.set_read_timeout(Some(seconds(10)))?;
            if server == "web1" {
                let error = stream.read(&mut [0]).err().context("an answer to nothing")?;
                ensure!(error.kind() == ErrorKind::ConnectionReset, "{error}");
            }
        }
        ensure!(start.elapsed() < seconds(3), "reset after {:?}", start.elapsed());
        echoes(&mut streams, "web2")?;
        scene.only_echoes_of("web2")
    });
}

#[test]
fn connections_live_on_where_they_are_kept() {
    Lab::story("down-keep", |lab| {
        let (scene, mut nginx) = start(lab, Mode::Nat, Family::V4, "on_down: keep")?;
        let mut streams = open(&scene)?;
        nginx[0].stop()?;
        scene.wait_for_verdict("web1", Verdict::Down)?;
        scene.only_echoes_of("web2")?;
        for server in ["web1", "web2"] {
            echoes(&mut streams, server)?;
        }
        nginx[0].resume()?;
        scene.wait_for_verdict("web1", Verdict::Up)?;
        echoes(&mut streams, "web1")
    });
}

fn start(lab: &Lab, mode: Mode, family: Family, on_down: &str) -> Result<(Scene, [Nginx; 2])> {
    let site = Site::new(lab, 2)?;
    let nginx = [nginx(&site.servers[0].host, CHECKED)?, nginx(&site.servers[1].host, CHECKED)?];
    let check = format!("check: {{ type: tcp, port: {CHECKED}, {FAST} }}");
    let fields = [&*check, on_down];
    let echo =
        Text { name: "echo", family, vip: (0, ECHO), mode, port: ECHO, fields: &fields, ..WEB };
    let scene = Scene::start(lab, site, &[echo])?;
    for server in ["web1", "web2"] {
        scene.wait_for_verdict(server, Verdict::Up)?;
    }
    Ok((scene, nginx))
}

/// Opens connections, and tells the server of each.
fn open(scene: &Scene) -> Result<Vec<(String, TcpStream)>> {
    let one = |_| {
        let mut stream = scene.client.tcp(scene.vip)?;
        echo(&mut stream)?;
        Ok((scene.server_of("echo", stream.local_addr()?)?, stream))
    };
    let streams: Vec<_> = (0..CONNECTIONS).map(one).collect::<Result<_>>()?;
    for server in ["web1", "web2"] {
        ensure!(streams.iter().any(|(name, _)| name == server), "{streams:?}");
    }
    Ok(streams)
}

/// The connections of a server go on.
fn echoes(streams: &mut [(String, TcpStream)], server: &str) -> Result<()> {
    for (_, stream) in streams.iter_mut().filter(|(name, _)| name == server) {
        echo(stream).with_context(|| format!("a connection of {server}"))?;
    }
    Ok(())
}

fn echo(stream: &mut TcpStream) -> Result<()> {
    let mut back = [0; 4];
    stream.write_all(b"ping")?;
    stream.read_exact(&mut back)?;
    ensure!(&back == b"ping");
    Ok(())
}

impl Scene {
    /// New connections go to one server.
    fn only_echoes_of(&self, server: &str) -> Result<()> {
        for _ in 0..CONNECTIONS {
            let mut stream = self.client.tcp(self.vip)?;
            echo(&mut stream)?;
            let took = self.server_of("echo", stream.local_addr()?)?;
            ensure!(took == server, "a new connection goes to {took}");
        }
        Ok(())
    }
}
