//! Events tell what happened and why.

use crate::setting::{FAST, Scene, Text, WEB, nginx};
use anyhow::{Context, Result, ensure};
use lb_common::api::{Event, EventKind, Verdict};
use lb_tests::lab::{Lab, SOON, wait_for};
use lb_tests::site::{Site, program};
use std::process::Command;

/// Port of nginx.
const NGINX: u16 = 8000;

#[test]
fn events_follow_what_happens_with_its_cause() {
    Lab::story("events", |lab| {
        let site = Site::new(lab, 2)?;
        let mut first = nginx(&site.servers[0].host, NGINX)?;
        let _second = nginx(&site.servers[1].host, NGINX)?;
        let check = format!("check: {{ type: tcp, {FAST} }}");
        let scene = Scene::start(lab, site, &[Text { port: NGINX, fields: &[&check], ..WEB }])?;
        let director = &scene.director;
        let mut command = Command::new(program("lb-ctl"));
        command.arg("--socket").arg(director.socket()).args(["-o", "json", "events", "--follow"]);
        let follower = scene.site.director.spawn(command)?;
        scene.wait_for_verdict("web1", Verdict::Up)?;
        first.stop()?;
        scene.wait_for_verdict("web1", Verdict::Down)?;
        first.resume()?;
        scene.wait_for_verdict("web1", Verdict::Up)?;
        director.ctl(&["server", "drain", "web/web2"])?;
        director.ctl(&["reload"])?;

        let followed = || -> Result<Vec<Event>> {
            let log = follower.log();
            // The last line may be on its way.
            let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
            whole.lines().map(|line| serde_json::from_str(line).context(line.to_owned())).collect()
        };
        for (kind, server, words) in [
            (EventKind::Health, Some("web1"), "refused"),
            (EventKind::Health, Some("web1"), "up"),
            (EventKind::Change, Some("web2"), "drain"),
            (EventKind::Reload, None, ""),
        ] {
            wait_for(SOON, &format!("{kind} of {server:?}: {words:?}"), || {
                followed().ok()?.into_iter().find(|event| {
                    event.kind == kind
                        && (server.is_none() || event.server.as_deref() == server)
                        && event.message.contains(words)
                })
            })
            .with_context(|| follower.log())?;
        }
        let (seen, listed) = (followed()?, director.events()?);
        ensure!(listed.starts_with(&seen), "{seen:?}\n{listed:?}");
        ensure!(listed.iter().zip(1..).all(|(event, number)| event.sequence == number));
        // The same in the log and, for people, in lines.
        let down = listed.iter().find(|event| event.message.contains("refused"));
        let down = &down.context("no event")?.message;
        ensure!(director.log().contains(down.as_str()), "{}", director.log());
        ensure!(director.ctl(&["events"])?.contains(down.as_str()));
        Ok(())
    });
}

/// Who reads slowly or not at all keeps nobody from anything.
#[test]
fn a_follower_that_hangs_hinders_nobody() {
    Lab::story("follower", |lab| {
        let scene = Scene::new(lab, &[WEB])?;
        let mut command = Command::new(program("lb-ctl"));
        command.arg("--socket").arg(scene.director.socket()).args(["events", "--follow"]);
        let follower = scene.site.director.spawn(command)?;
        follower.signal(nix::sys::signal::Signal::SIGSTOP);
        for weight in 0..200_u32 {
            scene.director.ctl(&["server", "weight", "web/web1", &weight.to_string()])?;
        }
        follower.signal(nix::sys::signal::Signal::SIGCONT);
        ensure!(scene.server("web1")?.weight == 199);
        Ok(())
    });
}
