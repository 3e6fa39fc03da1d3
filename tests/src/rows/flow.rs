//! Flows as text: `established client:40000 > web:80 tcp at n1 fin timeout 120 age 3`, and a NAT
//! server's half: `established n1:8080 > client:40000 tcp as web:80 at n1 fin`. What a flow does not
//! say is as usual: the state's timeout, age 0, the server's generation. A persistence template is
//! `template 198.51.100.0 > keep:80 tcp at n1 timeout 60`.

use super::services::{GENERATION, end_key};
use super::stage::Stage;
use crate::packet::{Family, Fields};
use anyhow::{Context, Result, bail};
use lb_common::abi::{Flow, FlowKey, ServiceKey, Timeouts, direction, key_kind, protocol, state};
use lb_common::datapath::FlowTable;
use std::fmt::Write;
use std::net::IpAddr;

const STATES: [(&str, u8); 5] = [
    ("syn", state::SYN),
    ("new", state::NEW),
    ("established", state::ESTABLISHED),
    ("fin", state::FIN),
    ("closed", state::CLOSED),
];
const TEMPLATE: &str = "template";
const TABLES: [(&str, FlowTable); 2] =
    [("established", FlowTable::Established), ("half-open", FlowTable::HalfOpen)];

/// Whether a line of this first word is a flow.
pub(super) fn is_flow(word: &str) -> bool {
    word == TEMPLATE || TABLES.iter().any(|(name, _)| *name == word)
}

/// Reads a flow; `now` is in seconds.
pub(super) fn parse(
    text: &str,
    family: Family,
    stage: &Stage,
    now: u32,
) -> Result<(FlowTable, FlowKey, Flow)> {
    let mut fields = Fields::new(text);
    let word = fields.word("a table")?;
    let is_template = word == TEMPLATE;
    let table = if is_template { FlowTable::Established } else { find(&TABLES, word)? };
    let (source, destination) = fields.pair()?;
    let protocol = match fields.word("a protocol")? {
        "tcp" => protocol::TCP,
        "udp" => protocol::UDP,
        other => bail!("no protocol {other:?}"),
    };
    let to = end_key(stage, destination, family, protocol)?;
    let from = if is_template {
        ServiceKey::new(stage.hosts.ip(source, family)?.into(), 0, protocol)
    } else {
        end_key(stage, source, family, protocol)?
    };
    let mut virtual_end = to;
    let mut way = if is_template { direction::TEMPLATE } else { direction::REQUEST };
    let (mut name, mut now_state, mut timeout, mut age, mut generation) =
        ("", state::SYN, None, 0, GENERATION);
    while let Some(field) = fields.next() {
        match field {
            "as" => {
                virtual_end = end_key(stage, fields.word(field)?, family, protocol)?;
                way = direction::REPLY;
            }
            "at" => name = fields.word(field)?,
            "timeout" => timeout = Some(fields.number(field)?),
            "age" => age = fields.number(field)?,
            "generation" => generation = fields.number(field)?,
            other => now_state = find(&STATES, other)?,
        }
    }
    if is_template {
        now_state = state::ESTABLISHED;
    }
    let service = stage.world.services.iter().find(|(key, _)| *key == virtual_end);
    let service = service.context("no such service")?.1.id;
    let mut servers = stage.world.servers.iter().zip(&stage.servers);
    let server = servers.position(|(server, other)| server.service == service && other == name);
    let flow = Flow {
        virtual_address: virtual_end.address,
        server: server.with_context(|| format!("no server {name:?} in the service"))? as u32,
        generation,
        service,
        seen: now.wrapping_sub(age),
        timeout: timeout.unwrap_or_else(|| usual_timeout(protocol, now_state)),
        virtual_port: virtual_end.port,
        state: now_state,
        direction: way,
    };
    let key = FlowKey {
        source: from.address,
        destination: to.address,
        source_port: from.port,
        destination_port: to.port,
        protocol,
        kind: if is_template { key_kind::TEMPLATE } else { key_kind::PACKET },
        pad: [0; 2],
    };
    Ok((table, key, flow))
}

/// Writes flows as [`parse`] reads them, in order.
pub(super) fn show<'a>(
    flows: impl Iterator<Item = (FlowTable, &'a FlowKey, &'a Flow)>,
    stage: &Stage,
    now: u32,
) -> Vec<String> {
    let mut lines: Vec<String> =
        flows.map(|(table, key, flow)| show_one(table, key, flow, stage, now)).collect();
    lines.sort();
    lines
}

fn show_one(table: FlowTable, key: &FlowKey, flow: &Flow, stage: &Stage, now: u32) -> String {
    let end = |address, port: u16| {
        let name = stage.hosts.ip_name(IpAddr::from(address));
        format!("{name}:{}", u16::from_be(port))
    };
    let is_template = key.kind == key_kind::TEMPLATE;
    let mut text = if is_template {
        format!("{TEMPLATE} {}", stage.hosts.ip_name(IpAddr::from(key.source)))
    } else {
        format!("{} {}", name(&TABLES, table), end(key.source, key.source_port))
    };
    let _ = write!(
        text,
        " > {} {}",
        end(key.destination, key.destination_port),
        if key.protocol == protocol::TCP { "tcp" } else { "udp" },
    );
    let virtual_end = end(flow.virtual_address, flow.virtual_port);
    let is_reply = flow.direction == direction::REPLY;
    if is_reply || virtual_end != end(key.destination, key.destination_port) {
        let _ = write!(text, " as {virtual_end}");
    }
    let server = stage.servers.get(flow.server as usize).map_or("?", String::as_str);
    let _ = write!(text, " at {server}");
    if !is_template {
        let _ = write!(text, " {}", name(&STATES, flow.state));
    }
    if is_template || flow.timeout != usual_timeout(key.protocol, flow.state) {
        let _ = write!(text, " timeout {}", flow.timeout);
    }
    if flow.seen != now {
        let _ = write!(text, " age {}", now.wrapping_sub(flow.seen) as i32);
    }
    if flow.generation != GENERATION {
        let _ = write!(text, " generation {}", flow.generation);
    }
    text
}

/// LVS's defaults (`tcp_timeouts`, `udp_timeouts` in net/netfilter/ipvs).
fn usual_timeout(protocol: u8, now: u8) -> u32 {
    let timeouts = Timeouts::DEFAULT;
    match (protocol, now) {
        (protocol::UDP, _) => timeouts.udp,
        (_, state::ESTABLISHED) => timeouts.established,
        (_, state::FIN) => timeouts.fin,
        (_, state::CLOSED) => timeouts.closed,
        _ => timeouts.syn,
    }
}

fn find<T: Copy>(names: &[(&str, T)], text: &str) -> Result<T> {
    let found = names.iter().find(|(name, _)| *name == text);
    Ok(found.with_context(|| format!("{text:?} is not known"))?.1)
}

fn name<T: Copy + PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, other)| *other == value).map_or("?", |(name, _)| name)
}
