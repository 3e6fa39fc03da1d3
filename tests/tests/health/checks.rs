//! The simple checks: a connection, a datagram, an echo request, a command.

use crate::setting::{FAST, Scene, Text, WEB, nginx};
use anyhow::{Context, Result, ensure};
use lb_common::api::Verdict;
use lb_tests::lab::{Dnsmasq, Lab, SOON, UdpEcho, ip, wait_until, wildcard};
use lb_tests::site::Site;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// Port of nginx.
const NGINX: u16 = 8000;

#[test]
fn tcp() {
    Lab::story("check-tcp", |lab| {
        let site = Site::new(lab, 2)?;
        let mut first = nginx(&site.servers[0].host, NGINX)?;
        let _second = nginx(&site.servers[1].host, NGINX)?;
        let check = format!("check: {{ type: tcp, {FAST} }}");
        let scene = Scene::start(lab, site, &[Text { port: NGINX, fields: &[&check], ..WEB }])?;
        let nginx = std::cell::RefCell::new(&mut first);
        scene.follows(|| nginx.borrow_mut().stop(), "refused", || nginx.borrow_mut().resume())
    });
}

/// The check's port is another than the service's, and so may be its address.
#[test]
fn another_port_and_address() {
    Lab::story("check-elsewhere", |lab| {
        let site = Site::new(lab, 2)?;
        let spare = ip("192.0.2.50");
        site.servers[0].link.address("192.0.2.50/24")?;
        let first = nginx(&site.servers[0].host, NGINX)?;
        let _second = nginx(&site.servers[1].host, NGINX)?;
        let own = format!("check: {{ type: tcp, port: {NGINX}, address: {spare}, {FAST} }}");
        let check = format!("check: {{ type: tcp, port: {NGINX}, {FAST} }}");
        let service = Text { fields: &[&check], servers: &[&own, ""], ..WEB };
        let scene = Scene::start(lab, site, &[service])?;
        let link = &scene.site.servers[0].link;
        let gone = || link.remove_address(spare);
        let back = || link.address("192.0.2.50/24").map(drop);
        scene.follows(|| gone().map(drop), "", back)?;
        ensure!(first.accesses()?.is_empty(), "a connection is no request: {:?}", first.accesses());
        Ok(())
    });
}

/// ICMP says that the port is closed; silence is no failure unless an answer is expected.
#[test]
fn udp() {
    Lab::story("check-udp", |lab| {
        let site = Site::new(lab, 2)?;
        let mut names = Dnsmasq::start(&site.servers[0].host, &[])?;
        let _others = Dnsmasq::start(&site.servers[1].host, &[])?;
        let check = format!("check: {{ type: udp, port: 53, {FAST} }}");
        let scene = Scene::start(lab, site, &[Text { fields: &[&check], ..WEB }])?;
        let names = std::cell::RefCell::new(&mut names);
        let stop = || names.borrow_mut().stop();
        scene.follows(stop, "unreachable", || names.borrow_mut().resume())
    });
}

#[test]
fn udp_with_an_expected_answer() {
    const PORT: u16 = 5354;
    Lab::story("check-udp-answer", |lab| {
        let site = Site::new(lab, 2)?;
        let hosts = [site.servers[0].host.clone(), site.servers[1].host.clone()];
        let start = |host: usize, name| UdpEcho::start(&hosts[host], name, wildcard(PORT));
        let first = std::cell::RefCell::new(Some(start(0, "good")?));
        let _second = start(1, "good")?;
        let check = format!(
            "check: {{ type: udp, port: {PORT}, send: hello, expect: ^good:hello$, {FAST} }}"
        );
        let scene = Scene::start(lab, site, &[Text { fields: &[&check], ..WEB }])?;
        let be = |name| {
            first.borrow_mut().take();
            *first.borrow_mut() = Some(start(0, name)?);
            Ok(())
        };
        scene.follows(|| be("bad"), "answer", || be("good"))
    });
}

#[test]
fn ping() {
    Lab::story("check-ping", |lab| {
        let check = format!("check: {{ type: ping, {FAST} }}");
        let scene = Scene::new(lab, &[Text { fields: &[&check], ..WEB }])?;
        let server = &scene.site.servers[0];
        scene.follows(
            || server.link.down().map(drop),
            "",
            || {
                server.link.up()?;
                // It went with the interface.
                server.host.route("203.0.113.0/24", ip("192.0.2.1")).map(drop)
            },
        )
    });
}

#[test]
fn exec_runs_as_the_user_that_is_named() {
    Lab::story("check-exec", |lab| {
        let folder = lab.folder().join("exec");
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o777))?;
        let script = folder.join("check");
        let text = "#!/bin/sh\nid -un > \"$1/user-$LB_SERVER_ADDRESS-$LB_SERVER_PORT\"\n\
                    test ! -e \"$1/bad-$LB_SERVER_ADDRESS\" || exit 7\n";
        fs::write(&script, text)?;
        fs::set_permissions(&script, Permissions::from_mode(0o755))?;
        let folder_name = folder.display();
        let check = format!(
            "check: {{ type: exec, command: [{}, {folder_name}], user: nobody, \
             interval: 500ms, timeout: 450ms, rise: 2, fall: 2 }}",
            script.display()
        );
        let scene = Scene::new(lab, &[Text { fields: &[&check], ..WEB }])?;
        let bad = folder.join("bad-192.0.2.11");
        scene.follows(|| Ok(fs::write(&bad, "")?), "7", || Ok(fs::remove_file(&bad)?))?;
        let user = fs::read_to_string(folder.join("user-192.0.2.11-80"))?;
        ensure!(user.trim() == "nobody", "it ran as {user}");
        Ok(())
    });
}

/// A command that doesn't end is ended, with what it started.
#[test]
fn exec_ends_at_its_time_limit() {
    Lab::story("check-exec-hangs", |lab| {
        // Told from all other sleepers on the machine.
        let long = format!("7777.{}", std::process::id());
        let script = lab.folder().join("hangs");
        fs::write(&script, format!("#!/bin/sh\nsleep {long} &\nwait\n"))?;
        fs::set_permissions(&script, Permissions::from_mode(0o755))?;
        let check = format!(
            "check: {{ type: exec, command: [{}], user: nobody, interval: 500ms, timeout: 300ms, \
             initial: up, fall: 2 }}",
            script.display()
        );
        let mut scene = Scene::new(lab, &[Text { fields: &[&check], ..WEB }])?;
        scene.wait_for_verdict("web1", Verdict::Down)?;
        let cause = scene.health("web1")?.cause;
        ensure!(cause.contains("300ms") || cause.contains("time"), "{cause}");
        // Those of the last run go with the agent, those of all others have gone before.
        ensure!(sleepers(&long)? <= 2, "{} sleepers", sleepers(&long)?);
        scene.director.stop()?;
        wait_until(SOON, "no sleeper is left", || sleepers(&long).is_ok_and(|left| left == 0))
    });
}

/// How many processes sleep so long.
fn sleepers(long: &str) -> Result<usize> {
    let asleep = format!("sleep\0{long}\0");
    let processes = fs::read_dir("/proc").context("/proc")?.flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    Ok(lines.filter(|line| *line == asleep.as_bytes()).count())
}
