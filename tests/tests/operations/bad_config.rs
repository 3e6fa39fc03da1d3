//! Configuration files that are refused, by the agent at its start, on reload, and by `check`.

use crate::setting::{another_agent, client, maps, pinned, web};
use anyhow::{Context, Result, ensure};
use lb_common::api::Mode;
use lb_tests::lab::{Lab, Load, SOON, wait_until};
use lb_tests::site::{self, Director, Family, HTTP, Site, director};
use std::fs::{self, File};
use std::path::Path;

/// A kind of mistake.
struct Case {
    name: &'static str,
    /// The file; `»` (not part of it) is before each place that is reported.
    text: &'static str,
    /// In the order of the places: the field and a part of the message.
    problems: &'static [(&'static str, &'static str)],
}

const CASES: &[Case] = &[
    Case { name: "empty file", text: "", problems: &[("", "empty; expected a configuration")] },
    Case {
        name: "unknown field and wrong types",
        text: "interfaces: [eth0]\nservices:\n- name: web\n  address: 192.0.2.100:80\n  \
               mode: »[nat]\n  servers: »seven\n  »colour: red\n",
        problems: &[
            ("services[0].mode", "expected one of nat, dr, tunnel"),
            ("services[0].servers", "expected a list of servers"),
            ("services[0].colour", "unknown field"),
        ],
    },
    Case {
        name: "duplicate names and addresses",
        text: "interfaces: [eth0]\nservices:\n\
               - { name: web, address: 192.0.2.100:80, mode: dr, servers: [] }\n\
               - { name: »web, address: »192.0.2.100:80, mode: nat, servers: [\n  \
               { name: a, address: 192.0.2.11:80 }, { name: »a, address: 192.0.2.12:80 }] }\n",
        problems: &[
            ("services[1].name", "has the name \"web\" already"),
            ("services[1].address", "has this address and protocol already"),
            ("services[1].servers[1].name", "\"a\""),
        ],
    },
    Case {
        name: "ports, families and weights",
        text: "interfaces: [eth0]\nservices:\n\
               - { name: a, address: 192.0.2.100:80, mode: nat, servers: [\n  \
               { name: a, address: »192.0.2.11:0 }, { name: b, address: »'[2001:db8:a::11]:80' },\n  \
               { name: c, address: 192.0.2.12:80, weight: »1001 }] }\n\
               - { name: b, address: 192.0.2.101:80, mode: dr, servers: [\n  \
               { name: a, address: »192.0.2.11:81 }, { name: b, address: »'[2001:db8:a::11]:80' }] }\n",
        problems: &[
            ("services[0].servers[0].address", "port"),
            ("services[0].servers[1].address", "write the server's IPv4 address"),
            ("services[0].servers[2].weight", "1001 is out of range: 0 to 1000"),
            ("services[1].servers[0].address", "leaves the port as it is"),
            ("services[1].servers[1].address", "write the server's IPv4 address"),
        ],
    },
    Case {
        name: "missing interface",
        text: "interfaces: [eth0, »eth7]\nservices: []\n",
        problems: &[("interfaces[1]", "this host has no interface \"eth7\"")],
    },
];

#[test]
fn refused_at_the_start_on_reload_and_by_check() {
    Lab::story("bad-config", |lab| {
        let site = Site::new(lab, 1)?;
        let services =
            [web("nat", Mode::Nat, Family::V4, 0, 1), web("dr", Mode::Dr, Family::V6, 1, 1)];
        let director = director(lab, &site.director, &site::config(&services))?;
        director.wait_until_resolved()?;
        let mut load = Load::new();
        load.new_connections(client(&site, Mode::Nat, Family::V4), (Family::V4.vip(0), HTTP));
        load.one_connection(&client(&site, Mode::Dr, Family::V6), (Family::V6.vip(1), HTTP))?;
        load.goes_on()?;

        let before = (pinned(&director)?, maps(&director)?, director.services()?.len());
        let mut files: Vec<(&str, Vec<String>)> = Vec::new();
        for case in CASES {
            let (text, places) = without_marks(case.text);
            fs::write(director.config(), text)?;
            let lines = refused(lab, &site, &director)?;
            let found = lines.len() == case.problems.len();
            let mut places = places.iter();
            let as_expected = found
                && lines.iter().zip(case.problems).all(|(line, (field, gist))| {
                    let place = places.next().map(|(line, column)| format!(":{line}:{column}"));
                    let field = if field.is_empty() { String::new() } else { format!(": {field}") };
                    let head = format!(
                        "{}{}{field}: ",
                        director.config().display(),
                        place.unwrap_or_default()
                    );
                    line.strip_prefix(&head).is_some_and(|message| message.contains(gist))
                });
            ensure!(as_expected, "{}: {lines:#?}", case.name);
            files.push((case.name, lines));
        }
        fs::write(director.config(), bomb())?;
        files.push(("bomb", refused(lab, &site, &director)?));
        File::create(director.config())?.set_len(100_000_000)?;
        files.push(("100 MB", refused(lab, &site, &director)?));
        for (name, gist) in [("bomb", "aliases"), ("100 MB", "larger than 16 MiB")] {
            let (_, lines) = files.iter().find(|(file, _)| *file == name).context(name)?;
            ensure!(lines.len() == 1 && lines[0].contains(gist), "{lines:?}");
        }

        let after = (pinned(&director)?, maps(&director)?, director.services()?.len());
        ensure!(after == before, "the data plane was changed");
        load.finish()
    });
}

/// Has the file refused in all three ways, which must find the same words; returns them.
fn refused(lab: &Lab, site: &Site, director: &Director) -> Result<Vec<String>> {
    // Another one on the same host: the file is read before anything else.
    let (command, pins) = another_agent(lab, director)?;
    let agent = site.director.spawn(command)?;
    let status = agent.wait(SOON)?;
    ensure!(!status.success() && !pins.exists(), "{status}: {}", agent.log());
    let lines: Vec<String> = agent.log().lines().map(str::to_owned).collect();

    let known = director.log().len();
    director.reload();
    let told = || director.log()[known..].contains("the configuration stays as it was");
    wait_until(SOON, "the agent refuses the file", told)?;
    let log = director.log()[known..].to_owned();
    ensure!(lines.iter().all(|line| log.contains(line)), "{log} is not {lines:?}");

    let checked = director.ctl_output(&["check", &path(&director.config())])?;
    let words = String::from_utf8(checked.stdout)? + &String::from_utf8(checked.stderr)?;
    ensure!(checked.status.code() == Some(1), "{:?}: {words}", checked.status);
    ensure!(lines.iter().all(|line| words.contains(line)), "{words} is not {lines:?}");
    Ok(lines)
}

#[test]
fn without_an_agent_lb_ctl_says_so() {
    Lab::story("no-agent", |lab| {
        let site = Site::new(lab, 1)?;
        let config = site::config(&[web("web", Mode::Nat, Family::V4, 0, 1)]);
        let mut director = director(lab, &site.director, &config)?;
        let check = ["check", &path(&director.config())];
        ensure!(director.ctl(&check)?.ends_with(": good\n"), "{}", director.ctl(&check)?);
        for stop in [Director::stop, Director::kill] {
            stop(&mut director)?;
            for arguments in [&["status"][..], &["server", "drain", "web/web1"], &check] {
                let output = director.ctl_output(arguments)?;
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                ensure!(output.status.code() == Some(3), "{arguments:?}: {}", output.status);
                ensure!(words.contains("agent") && words.contains("agent.sock"), "{words}");
                ensure!(output.stdout.is_empty() && words.lines().count() == 1, "{words}");
            }
            director.start()?;
        }
        Ok(())
    });
}

/// Aliases that stand for 10^30 words.
fn bomb() -> String {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let uses = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("b{level}: &a{level} [{uses}]\n");
    }
    text
}

/// The text without its marks, and where they were.
fn without_marks(text: &str) -> (String, Vec<(usize, usize)>) {
    let mut places = Vec::new();
    let mut clean = String::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let mut parts = line.split('»');
        let mut column = 1;
        let mut part = parts.next().unwrap_or_default();
        loop {
            clean += part;
            column += part.chars().count();
            let Some(next) = parts.next() else { break };
            places.push((number, column));
            part = next;
        }
    }
    (clean, places)
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
