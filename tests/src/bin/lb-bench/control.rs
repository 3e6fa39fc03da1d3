//! One run of `lb-bench control`: an agent from its start to its end.

use crate::agent::{Agent, LONG, Place};
use crate::figures::{Figures, Memory, Spread};
use crate::setting::{Hosts, SERVERS, Size, server_name, service_name};
use anyhow::{Context, Result, anyhow};
use lb_common::api::{ServerState, Service};
use lb_tests::lab::{Lab, wait_until};
use std::collections::BTreeMap;
use std::fs;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// How often each change is made.
const CHANGES: u32 = 25;

/// How often it lists and reloads.
const REPEATED: u32 = 5;

/// For so long it is watched how long the agent keeps others waiting while nothing is asked of it;
/// it compares maps with what they should be every 5 s.
const WATCHED: Duration = Duration::from_secs(16);

/// The time between two questions meanwhile.
const PAUSE: Duration = Duration::from_millis(2);

/// Measures an agent with so much to do.
pub(crate) fn run(size: &Size) -> Result<Figures> {
    eprintln!("{}", size.words());
    let lab = Lab::new("bench")?;
    let hosts = Hosts::new(&lab)?;
    let place = Place { host: &hosts.director, lab: &lab };
    fs::write(place.config(), size.config(1))?;

    progress("starting the agent");
    let begin = Instant::now();
    let (agent, load) = place.start()?;
    let all_up = until_up(&agent, begin)?;
    progress("watching it idle");
    let end = Instant::now() + WATCHED;
    let idle = watch(&agent, || Instant::now() < end)?;
    let memory = Memory::of(&agent)?;
    progress("making changes");
    let changes = changes(&agent, size)?;
    progress("listing and reloading");
    let (list, during_list) =
        beside(&agent, || Spread::of(REPEATED, |_| agent.ctl(&["service", "ls"])))?;
    let (reload, during_reload) = beside(&agent, || {
        Spread::of(REPEATED, |round| {
            fs::write(place.config(), size.config(2 + round))?;
            timed(|| agent.ask("POST", "/v1/reload", ""))
        })
    })?;
    let memory_in_the_end = Memory::of(&agent)?;

    progress("starting it again");
    agent.stop()?;
    let (agent, restart) = place.start()?;
    agent.stop()?;
    progress("counting what a change writes");
    let operations = operations(&place, size)?;
    Ok(Figures {
        services: size.services,
        servers: size.servers(),
        addresses: size.machines,
        load_ms: milliseconds(load),
        all_up_ms: milliseconds(all_up),
        restart_ms: milliseconds(restart),
        reload_ms: reload,
        changes_ms: changes,
        service_ls_ms: list,
        idle_answer_ms: idle,
        listing_answer_ms: during_list,
        reloading_answer_ms: during_reload,
        memory,
        memory_in_the_end,
        operations,
    })
}

/// How long after `begin` each server has a way.
fn until_up(agent: &Agent, begin: Instant) -> Result<Duration> {
    wait_until(LONG, "all servers are up", || {
        agent.get::<Vec<Service>>("/v1/services").is_ok_and(|services| {
            let mut servers = services.iter().flat_map(|service| &service.servers);
            servers.all(|server| server.state == ServerState::Up)
        })
    })?;
    Ok(begin.elapsed())
}

/// Does something; how long a short question waits for its answer meanwhile.
fn beside<T: Send>(agent: &Agent, work: impl FnOnce() -> Result<T> + Send) -> Result<(T, Spread)> {
    thread::scope(|scope| {
        let work = scope.spawn(work);
        let answers = watch(agent, || !work.is_finished());
        let done = work.join().map_err(|_| anyhow!("the work panicked"))?;
        Ok((done?, answers?))
    })
}

/// How long a short question waits for its answer, once and as long as `goes_on`.
fn watch(agent: &Agent, mut goes_on: impl FnMut() -> bool) -> Result<Spread> {
    let mut times = vec![timed(|| agent.ask("GET", "/v1/reasons", ""))?];
    while goes_on() {
        times.push(timed(|| agent.ask("GET", "/v1/reasons", ""))?);
        sleep(PAUSE);
    }
    Spread::from(times)
}

/// Makes each kind of change again and again, in services all over the file.
fn changes(agent: &Agent, size: &Size) -> Result<BTreeMap<&'static str, Spread>> {
    let service =
        |round: u32| service_name(round * (size.services / CHANGES).max(1) % size.services);
    let measure = |change: &Change, round| {
        let (method, path, body) = (change.request)(size, &service(round), round);
        timed(|| agent.ask(method, &path, &body))
    };
    CHANGE
        .iter()
        .map(|change| Ok((change.name, Spread::of(CHANGES, |round| measure(change, round))?)))
        .collect()
}

/// A kind of change.
struct Change {
    name: &'static str,
    /// Method, path and body for a service; the number is another one each time.
    request: fn(&Size, &str, u32) -> (&'static str, String, String),
}

/// All kinds, in an order in which they can be made.
const CHANGE: [Change; 5] = [
    Change {
        name: "server weight",
        request: |_, service, round| {
            ("PATCH", server_path(service, 0), format!(r#"{{"weight":{}}}"#, 2 + round))
        },
    },
    Change {
        name: "server drain",
        request: |_, service, round| {
            ("PATCH", server_path(service, 1 + round % (SERVERS - 1)), state("drained"))
        },
    },
    Change {
        name: "server enable",
        request: |_, service, round| {
            ("PATCH", server_path(service, 1 + round % (SERVERS - 1)), state("enabled"))
        },
    },
    Change {
        name: "server add",
        request: |size, service, round| {
            let name = server_name(SERVERS + round);
            let address = size.address(size.servers() + round);
            let body = format!("{{ name: {name}, address: {address} }}");
            ("POST", format!("/v1/services/{service}/servers"), body)
        },
    },
    Change {
        name: "server rm",
        request: |_, service, round| {
            ("DELETE", server_path(service, SERVERS + round), String::new())
        },
    },
];

fn server_path(service: &str, server: u32) -> String {
    format!("/v1/services/{service}/servers/{}", server_name(server))
}

fn state(admin: &str) -> String {
    format!(r#"{{"admin":"{admin}"}}"#)
}

/// What each kind of change writes into the maps, from the log of an agent that tells.
fn operations(place: &Place<'_>, size: &Size) -> Result<BTreeMap<&'static str, Vec<String>>> {
    let agent = place.start_logging()?;
    let service = service_name(size.services / 2);
    let mut known = agent.operations().len();
    let mut found = BTreeMap::new();
    for change in &CHANGE {
        let (method, path, body) = (change.request)(size, &service, CHANGES);
        agent.ask(method, &path, &body)?;
        // All is done, and logged, when the answer comes.
        let operations = agent.operations();
        found.insert(change.name, operations[known..].to_vec());
        known = operations.len();
    }
    agent.stop()?;
    Ok(found)
}

/// How long something took.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let begin = Instant::now();
    work().context("while it was measured")?;
    Ok(begin.elapsed())
}

fn milliseconds(time: Duration) -> f64 {
    Spread::milliseconds(time)
}

fn progress(step: &str) {
    eprintln!("  {step}");
}
