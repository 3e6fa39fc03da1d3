//! Something else meddles with the maps or takes the program off: the agent puts it right, and
//! says so.

use crate::setting::{client, maps, open, pin, web};
use anyhow::{Context, Result, ensure};
use aya::maps::{Array, HashMap, Map, MapData};
use lb_common::abi::{self, Service, ServiceKey, map};
use lb_common::api::{AttachMode, EventKind, Mode};
use lb_tests::lab::{Lab, SOON, wait_for, wait_until};
use lb_tests::site::{self, Director, Family, HTTP, Site, director};
use std::fs;
use std::mem::offset_of;
use zerocopy::FromBytes;

#[test]
fn a_service_that_is_deleted_is_made_again() {
    Lab::story("no-service", |lab| {
        let (site, director) = start(lab)?;
        let told = repairs(&director)?;
        let (key, _) = service(&director)?;
        services(&director)?.remove(&key)?;
        is_told(&director, told)?;
        answers(&site)
    });
}

/// One server is deleted, and another gets a wrong address.
#[test]
fn servers_that_are_changed_are_put_right() {
    Lab::story("no-server", |lab| {
        let (site, director) = start(lab)?;
        let right = maps(&director)?;
        let told = repairs(&director)?;
        change_server(&director, 0, |bytes| bytes.fill(0))?;
        change_server(&director, 1, |bytes| bytes[offset_of!(abi::Server, address) + 15] ^= 1)?;
        ensure!(maps(&director)? != right, "nothing differs");
        is_told(&director, told)?;
        answers(&site)
    });
}

/// Slots that lead to no server: connections find none until they are right again.
#[test]
fn meddling_with_slots_is_repaired() {
    Lab::story("slots", |lab| {
        let (site, director) = start(lab)?;
        let told = repairs(&director)?;
        let mut slots: Array<_, u32> = Map::Array(open(&director, map::SLOTS)?).try_into()?;
        let (_, service) = service(&director)?;
        let run = service.table..service.table + service.slots;
        ensure!(run.len() > 1, "no slots in {service:?}");
        for slot in run {
            slots.set(slot, u32::MAX, 0)?;
        }
        is_told(&director, told)?;
        answers(&site)
    });
}

#[test]
fn a_program_that_is_taken_off_is_attached_again() {
    Lab::story("taken-off", |lab| {
        let (site, director) = start(lab)?;
        let told = repairs(&director)?;
        let program = site.director_link.xdp()?.context("no program")?;
        fs::remove_file(pin(&director, "link-eth0")?)?;
        let event = is_told(&director, told)?;
        ensure!(event.contains("eth0"), "{event}");
        let back = || site.director_link.xdp().is_ok_and(|now| now == Some(program));
        wait_until(SOON, "the program is attached again", back)?;
        pin(&director, "link-eth0")?;
        let status = director.status()?;
        ensure!(status.interfaces[0].attached == AttachMode::Native, "{status:?}");
        answers(&site)
    });
}

type Services = HashMap<MapData, [u8; size_of::<ServiceKey>()], [u8; size_of::<Service>()]>;

fn services(director: &Director) -> Result<Services> {
    Ok(Map::HashMap(open(director, map::SERVICES)?).try_into()?)
}

/// The only service, which has an entry for fragments too.
fn service(director: &Director) -> Result<([u8; size_of::<ServiceKey>()], Service)> {
    let entries = services(director)?.iter().collect::<Result<Vec<_>, _>>()?;
    let port = |key: &[u8]| ServiceKey::read_from_bytes(key).map_or(0, |key| key.port);
    let found = entries.into_iter().find(|(key, _)| port(key) != 0);
    let (key, value) = found.context("no service")?;
    let service = Service::read_from_bytes(&value).ok().context("no such value")?;
    Ok((key, service))
}

fn change_server(director: &Director, index: u32, change: impl FnOnce(&mut [u8])) -> Result<()> {
    let mut servers: Array<_, [u8; size_of::<abi::Server>()]> =
        Map::Array(open(director, map::SERVERS)?).try_into()?;
    let mut bytes = servers.get(&index, 0)?;
    change(&mut bytes);
    Ok(servers.set(index, bytes, 0)?)
}

fn start(lab: &Lab) -> Result<(Site, Director)> {
    let site = Site::new(lab, 2)?;
    let config = site::config(&[web("web", Mode::Nat, Family::V4, 0, 2)]);
    let director = director(lab, &site.director, &config)?;
    director.wait_until_resolved()?;
    answers(&site)?;
    Ok((site, director))
}

/// Both servers get connections.
fn answers(site: &Site) -> Result<()> {
    let tally = client(site, Mode::Nat, Family::V4).tally((Family::V4.vip(0), HTTP), 20)?;
    ensure!(tally.len() == 2, "{tally:?}");
    Ok(())
}

/// What the events tell of repairs.
fn repairs(director: &Director) -> Result<Vec<String>> {
    let events = director.events()?.into_iter().filter(|event| event.kind == EventKind::Repair);
    Ok(events.map(|event| event.message).collect())
}

/// Waits for one more event than those told before, and returns its words.
fn is_told(director: &Director, before: Vec<String>) -> Result<String> {
    let now = || repairs(director).ok().filter(|now| now.len() > before.len());
    let now = wait_for(SOON, "an event of a repair", now)?;
    ensure!(now.len() == before.len() + 1, "told more than once: {now:?}");
    now.into_iter().next_back().context("no event")
}
