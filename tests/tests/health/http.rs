//! Checks over HTTP and HTTPS, with nginx.

use crate::setting::{FAST, Scene, Text, WEB, nginx};
use anyhow::{Context, Result, ensure};
use lb_common::api::{Mode, Scheduler, ServerState, Verdict};
use lb_tests::lab::{Authority, Connection, Host, Lab, Nginx, SOON, wait_until};
use lb_tests::site::{Family, Site};
use std::cell::RefCell;

/// Ports of nginx.
const PLAIN: u16 = 8000;
const TLS: u16 = 8443;

#[test]
fn http_status_v4() {
    http_status(Family::V4);
}

#[test]
fn http_status_v6() {
    http_status(Family::V6);
}

fn http_status(family: Family) {
    Lab::story("check-http", |lab| {
        let site = Site::new(lab, 2)?;
        let nginx = [nginx(&site.servers[0].host, PLAIN)?, nginx(&site.servers[1].host, PLAIN)?];
        let check = format!("check: {{ type: http, path: /check.txt, {FAST} }}");
        let service = Text { family, port: PLAIN, fields: &[&check], ..WEB };
        let scene = Scene::start(lab, site, &[service])?;
        scene.follows(
            || nginx[0].remove("check.txt"),
            "404",
            || nginx[0].write("check.txt", "back"),
        )?;
        let nginx = RefCell::new(nginx);
        scene.follows(|| nginx.borrow_mut()[0].stop(), "refused", || nginx.borrow_mut()[0].resume())
    });
}

/// What is asked is what the file says, down to the version.
#[test]
fn http_request_and_expected_statuses() {
    const SERVERS: &str = "
        server { listen 8000 default_server; return 503; }
        server { listen 8000; server_name check.example.net; location /health { return 302 /; } }";
    Lab::story("check-http-request", |lab| {
        let site = Site::new(lab, 2)?;
        let start = |host: &Host| Nginx::start(host, &[], SERVERS);
        let first = start(&site.servers[0].host)?;
        let _second = start(&site.servers[1].host)?;
        let check = format!(
            "check: {{ type: http, port: {PLAIN}, method: HEAD, path: \"/health?deep=1\", \
             host: check.example.net, version: \"1.0\", expect: [204, 300-399], {FAST} }}"
        );
        let scene = Scene::start(lab, site, &[Text { fields: &[&check], ..WEB }])?;
        scene.follows(
            || first.reload("server { listen 8000; return 200; }"),
            "200",
            || first.reload(SERVERS),
        )?;
        let lines = first.accesses()?;
        let line = lines.last().context("no request in the log")?;
        ensure!(line.contains("\"HEAD /health?deep=1 HTTP/1.0\" 302"), "{line}");
        Ok(())
    });
}

/// The drill of ldirectord's users: a text disappears from one server, then from all, and comes
/// back.
#[test]
fn the_text_disappears_and_the_fallback_serves() {
    Lab::story("check-text", |lab| {
        let site = Site::new(lab, 3)?;
        let files = |name| [("name", name), ("test.html", "<p>still alive</p>")];
        let block = format!("server {{ listen {PLAIN}; }}");
        let start = |index: usize| {
            let server = &site.servers[index];
            Nginx::start(&server.host, &files(&server.name), &block)
        };
        let nginx = [start(0)?, start(1)?];
        let _fallback = start(2)?;
        let check =
            format!("check: {{ type: http, path: /test.html, body: \"still alive\", {FAST} }}");
        let fallback = format!("fallback: 192.0.2.13:{PLAIN}");
        let service = Text {
            vip: (0, PLAIN),
            mode: Mode::Dr,
            scheduler: Scheduler::Wlc,
            port: PLAIN,
            fields: &[&check, "on_down: keep", &fallback],
            ..WEB
        };
        let scene = Scene::start(lab, site, &[service])?;
        scene.only(&["web1", "web2"])?;
        let mut long = connection_to(&scene, "web1")?;
        let mut lives = |when: &'static str| -> Result<()> {
            let answer = long.get("/name").context(when)?.text();
            ensure!(answer == "web1", "{when}: {answer}");
            Ok(())
        };

        nginx[0].write("test.html", "<p>under repair</p>")?;
        scene.wait_for_verdict("web1", Verdict::Down)?;
        scene.only(&["web2"])?;
        lives("the text is gone")?;
        nginx[1].remove("test.html")?;
        scene.wait_for_verdict("web2", Verdict::Down)?;
        scene.only(&["web3"])?;
        lives("the fallback serves")?;
        for one in &nginx {
            one.write("test.html", "still alive")?;
        }
        scene.only(&["web1", "web2"])?;
        ensure!(scene.server("web1")?.state == ServerState::Up);
        lives("the text is back")
    });
}

#[test]
fn https_and_its_certificate() {
    Lab::story("check-https", |lab| {
        let site = Site::new(lab, 4)?;
        let authority = Authority::new()?;
        let (certificate, key) = authority.certify(&["www.example.net"])?;
        let ca = lab.folder().join("ca.pem");
        std::fs::write(&ca, authority.pem())?;
        let files = [("cert.pem", &*certificate), ("key.pem", &*key), ("check.txt", "ok")];
        let block = Nginx::TLS.replace("443", &TLS.to_string());
        let nginx = site.servers.iter().map(|server| Nginx::start(&server.host, &files, &block));
        let nginx = RefCell::new(nginx.collect::<Result<Vec<_>>>()?);
        // TLS takes its time in a build for development.
        let times = "interval: 1s, timeout: 900ms, rise: 2, fall: 2";
        let check = |more: &str| {
            format!("check: {{ type: https, port: {TLS}, path: /check.txt, {more}, {times} }}")
        };
        let ca = format!("ca: {}", ca.display());
        let good = check(&format!("name: www.example.net, {ca}"));
        let wrong_name = check(&format!("name: other.example.net, {ca}"));
        let service = Text {
            fields: &[&good],
            servers: &["", "", &wrong_name, &check("verify: false")],
            ..WEB
        };
        // Neither the name nor, in the last check, the authority is known.
        let unknown = check("name: www.example.net");
        let other = Text { name: "other", vip: (1, 80), servers: &[&unknown], fields: &[], ..WEB };
        let scene = Scene::start(lab, site, &[service, other])?;
        scene.wait_for_verdict("web4", Verdict::Up)?;
        scene.wait_for_verdict("web3", Verdict::Down)?;
        scene.only(&["web1", "web2", "web4"])?;
        let cause = scene.health("web3")?.cause.to_lowercase();
        ensure!(cause.contains("certificate") || cause.contains("name"), "{cause}");
        // The machine may trust nobody at all.
        let distrusted =
            |cause: &str| ["issuer", "authority"].iter().any(|word| cause.contains(word));
        wait_until(SOON, "an unknown authority fails", || {
            let found = scene.director.server("other", "web1").ok();
            found
                .and_then(|found| found.history)
                .is_some_and(|health| health.verdict == Verdict::Down && distrusted(&health.cause))
        })
        .with_context(|| format!("{:?}", scene.director.server("other", "web1")))?;

        nginx.borrow_mut()[0].stop()?;
        scene.wait_for_verdict("web1", Verdict::Down)?;
        scene.only(&["web2", "web4"])?;
        nginx.borrow_mut()[0].resume()?;
        scene.wait_for_verdict("web1", Verdict::Up)?;
        scene.only(&["web1", "web2", "web4"])
    });
}

/// A connection that stays with a server.
fn connection_to(scene: &Scene, server: &str) -> Result<Connection> {
    for _ in 0..20 {
        let mut connection = scene.client.connect(scene.vip)?;
        if connection.get("/name")?.text() == server {
            return Ok(connection);
        }
    }
    anyhow::bail!("no connection reaches {server}")
}
