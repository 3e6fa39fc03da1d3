//! The agent is killed again and again, at random moments.

use crate::setting::{client, pinned, server, web};
use anyhow::{Context, Result, ensure};
use lb_common::api::{Mode, Server, ServerState};
use lb_tests::generate::Random;
use lb_tests::lab::{Lab, Load, SOON};
use lb_tests::site::{self, Director, Family, HTTP, Site, director};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// How often the agent dies under traffic.
const KILLS: usize = 50;
/// How often it dies while it is told to change something.
const KILLS_AMID_CHANGES: usize = 20;

#[test]
fn no_request_is_lost_by_fifty_kills() {
    Lab::story("kills", |lab| {
        let site = Site::new(lab, 2)?;
        let services =
            [web("nat", Mode::Nat, Family::V4, 0, 2), web("dr", Mode::Dr, Family::V6, 1, 2)];
        let mut director = director(lab, &site.director, &site::config(&services))?;
        director.wait_until_resolved()?;
        let mut load = Load::new();
        for (mode, family, number) in [(Mode::Nat, Family::V4, 0), (Mode::Dr, Family::V6, 1)] {
            let (client, vip) = (client(&site, mode, family), (family.vip(number), HTTP));
            load.one_connection(&client, vip)?;
            load.new_connections(client, vip);
        }
        load.goes_on()?;
        let before = pinned(&director)?;
        director.kill()?;
        let start = Instant::now();
        director.start()?;
        let to_start = start.elapsed();
        director.kill()?;

        // From before its first look at the kernel until it has run for a while.
        let mut random = Random::new(0x5eed);
        let mut ran = 0;
        for kill in 0..KILLS {
            let moment = to_start * random.below(150) as u32 / 100;
            let agent = site.director.spawn(director.agent_command())?;
            thread::sleep(moment);
            ensure!(agent.status().is_none(), "it ended by itself: {}", agent.log());
            agent.signal(Signal::SIGKILL);
            agent.wait(SOON)?;
            ran += usize::from(agent.log().contains("running"));
            load.check().with_context(|| format!("kill {kill}, {moment:?} after the start"))?;
        }
        ensure!((1..KILLS).contains(&ran), "{ran} of {KILLS} agents had begun to run");
        load.goes_on()?;
        director.start()?;
        ensure!(pinned(&director)? == before, "other pins: {:?}", pinned(&director)?);
        let warnings = director.status()?.warnings;
        ensure!(warnings.is_empty(), "{warnings:?}");
        load.finish()
    });
}

#[test]
fn what_was_acknowledged_survives_kills_amid_changes() {
    Lab::story("kills-changes", |lab| {
        let site = Site::new(lab, 3)?;
        let config = site::config(&[web("web", Mode::Nat, Family::V4, 0, 3)]);
        let mut director = director(lab, &site.director, &config)?;
        director.wait_until_resolved()?;
        let mut random = Random::new(0xacce);
        let mut possible = BTreeMap::new();
        let mut acknowledged = 0;
        for kill in 0..KILLS_AMID_CHANGES {
            let moment = Duration::from_millis(random.below(150) as u64);
            acknowledged += thread::scope(|scope| {
                let changes = scope.spawn(|| change(&director, &mut random, &mut possible));
                thread::sleep(moment);
                director.signal(Signal::SIGKILL);
                changes.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })?;
            director.kill()?;
            director.start()?;
            for (name, states) in &mut possible {
                let now = server(&director, "web", name)?;
                let now = if *name == DRAINED { u32::from(takes(&now)) } else { now.weight };
                ensure!(states.contains(&now), "kill {kill}: {name} is {now}, not {states:?}");
                *states = vec![now];
            }
        }
        ensure!(acknowledged > KILLS_AMID_CHANGES, "only {acknowledged} changes");
        Ok(())
    });
}

/// The server that is drained and enabled; the others' weights are changed.
const DRAINED: &str = "web1";

/// What each server may be after a restart, by its name: its weight, or whether it takes
/// connections.
type Possible = BTreeMap<&'static str, Vec<u32>>;

/// Changes servers until the agent is gone, and returns how many changes it acknowledged. The last
/// one may or may not have been made.
fn change(director: &Director, random: &mut Random, possible: &mut Possible) -> Result<usize> {
    for acknowledged in 0.. {
        let name = *random.pick(&[DRAINED, "web2", "web3"]);
        let states = possible.entry(name).or_insert_with(|| vec![1]);
        let path = format!("web/{name}");
        let weight = 1 + random.below(1000) as u32;
        let drain = random.chance(50);
        let (arguments, changed) = match name {
            DRAINED if drain => (vec!["server", "drain", &path], 0),
            DRAINED => (vec!["server", "enable", &path], 1),
            _ => (vec!["server", "weight", &path], weight),
        };
        let word = (name != DRAINED).then(|| weight.to_string());
        let arguments: Vec<&str> = arguments.into_iter().chain(word.as_deref()).collect();
        if director.ctl_output(&arguments)?.status.success() {
            *states = vec![changed];
        } else {
            states.push(changed);
            return Ok(acknowledged);
        }
    }
    Ok(usize::MAX)
}

fn takes(server: &Server) -> bool {
    server.state != ServerState::Drained
}
