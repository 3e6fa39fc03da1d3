//! The fields of services and servers, with their values as text.

use super::check::check;
use super::scalar::{flow, flow_list, scalar};
use crate::config::checks::OFF;
use crate::config::document::PORT_FLAGS;
use crate::config::duration::written;
use crate::config::model::{Persist, Server, ServerCheck, Service};
use lb_common::abi::Timeouts;
use lb_common::api::{AdminState, OnDown, Protocol, Scheduler};
use std::time::Duration;

/// A field, whether or not a file needs to say it.
pub(in crate::config) struct Item {
    pub(in crate::config) key: &'static str,
    /// As it is written; none if there is no such thing.
    pub(in crate::config) value: Option<String>,
    /// Whether a file that doesn't say it means the same.
    pub(in crate::config) default: bool,
}

/// All fields of a service but for its servers, in the file's order.
pub(in crate::config) fn service_items(service: &Service) -> [Item; 14] {
    let longest = Persist::longest_prefix(service.address);
    let prefix = service.persist.map_or(longest, |persist| persist.prefix);
    let timeout = |persist: Persist| seconds(persist.timeout);
    let table_size = service.table_size.map(|size| size.to_string());
    let fallback = service.fallback.as_ref().map(|server| scalar(&server.address.to_string()));
    [
        always("name", scalar(&service.name)),
        always("address", scalar(&service.address.to_string())),
        or("protocol", service.protocol.word(), service.protocol == Protocol::Tcp),
        always("mode", service.mode.word().to_owned()),
        or("scheduler", service.scheduler.word(), service.scheduler == Scheduler::Wrr),
        or("scheduler_flags", flags(service), !service.hash_port),
        optional("table_size", table_size),
        or("timeouts", timeouts(&service.timeouts), service.timeouts == Timeouts::DEFAULT),
        optional("persist", service.persist.map(timeout)),
        or("persist_netmask", prefix.to_string(), prefix == longest),
        or("on_down", service.on_down.word(), service.on_down == OnDown::default()),
        or("slow_start", written(service.slow_start), service.slow_start == Duration::ZERO),
        optional("fallback", fallback),
        optional("check", service.check.as_deref().map(check)),
    ]
}

/// All fields of a server, in the file's order.
pub(in crate::config) fn server_items(server: &Server) -> [Item; 7] {
    let own = match &server.check {
        ServerCheck::Service => None,
        ServerCheck::Off => Some(OFF.to_owned()),
        ServerCheck::Own(own) => Some(check(own)),
    };
    [
        always("name", scalar(&server.name)),
        always("address", scalar(&server.address.to_string())),
        or("weight", server.weight.to_string(), server.weight == 1),
        or("backup", server.backup.to_string(), !server.backup),
        optional("max_connections", server.max_connections.map(|most| most.to_string())),
        or("admin", server.admin.word(), server.admin == AdminState::default()),
        optional("check", own),
    ]
}

fn flags(service: &Service) -> String {
    let flags = PORT_FLAGS.iter().filter(|(_, of)| service.hash_port && *of == service.scheduler);
    flow_list(flags.map(|(flag, _)| (*flag).to_owned()))
}

fn timeouts(timeouts: &Timeouts) -> String {
    let default = Timeouts::DEFAULT;
    let all = [
        ("syn", timeouts.syn, default.syn),
        ("established", timeouts.established, default.established),
        ("fin", timeouts.fin, default.fin),
        ("closed", timeouts.closed, default.closed),
        ("udp", timeouts.udp, default.udp),
    ];
    let changed = all.into_iter().filter(|(_, timeout, default)| timeout != default);
    flow(changed.map(|(key, timeout, _)| (key, seconds(timeout))))
}

fn seconds(seconds: u32) -> String {
    written(Duration::from_secs(seconds.into()))
}

fn always(key: &'static str, value: String) -> Item {
    Item { key, value: Some(value), default: false }
}

fn or(key: &'static str, value: impl Into<String>, default: bool) -> Item {
    Item { key, value: Some(value.into()), default }
}

fn optional(key: &'static str, value: Option<String>) -> Item {
    Item { key, value, default: false }
}
