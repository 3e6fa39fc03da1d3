//! From a configuration to the text that is read as the same.

mod check;
mod scalar;
mod service;

pub(super) use service::{Item, server_items, service_items};

use super::model::{Config, Limits, Server, Service};
use scalar::{flow, flow_list, scalar};
use std::fmt::Write;

/// A configuration as a file. Defaults are left out, and a server is a line.
///
/// What the host must have for it (interfaces, a group, users, programs) is not looked at.
pub fn to_yaml(config: &Config) -> String {
    let mut text = String::new();
    let interfaces = config.interfaces.iter().map(|name| scalar(name));
    line(&mut text, "", "interfaces", &flow_list(interfaces));
    if config.limits != Limits::default() {
        line(&mut text, "", "limits", &limits(&config.limits));
    }
    if let Some(group) = &config.group {
        line(&mut text, "", "control", &flow([("group", scalar(group))]));
    }
    if config.autoreload {
        line(&mut text, "", "autoreload", "true");
    }
    if config.services.is_empty() {
        line(&mut text, "", "services", "[]");
        return text;
    }
    text.push_str("services:\n");
    for service in &config.services {
        block(&mut text, service);
    }
    text
}

/// A service as [`parse_service`](super::parse_service) reads it, in one line.
pub fn service_text(service: &Service) -> String {
    let items = written(service_items(service));
    let servers = ("servers", flow_list(service.servers.iter().map(server_text)));
    flow(items.chain([servers]))
}

/// A server as [`parse_server`](super::parse_server) reads it, in one line.
pub fn server_text(server: &Server) -> String {
    flow(written(server_items(server)))
}

/// A service as an item of the file's list.
fn block(text: &mut String, service: &Service) {
    let mut indent = "  - ";
    for (key, value) in written(service_items(service)) {
        line(text, indent, key, &value);
        indent = "    ";
    }
    if service.servers.is_empty() {
        line(text, indent, "servers", "[]");
        return;
    }
    text.push_str(indent);
    text.push_str("servers:\n");
    for server in &service.servers {
        text.push_str("      - ");
        text.push_str(&server_text(server));
        text.push('\n');
    }
}

/// What isn't a default.
fn written<const N: usize>(items: [Item; N]) -> impl Iterator<Item = (&'static str, String)> {
    items.into_iter().filter(|item| !item.default).filter_map(|item| Some((item.key, item.value?)))
}

fn limits(limits: &Limits) -> String {
    let default = Limits::default();
    let numbers = [
        ("services", limits.services, default.services),
        ("servers", limits.servers, default.servers),
        ("slots", limits.slots, default.slots),
        ("flows", limits.flows, default.flows),
        ("half_open", limits.half_open, default.half_open),
    ];
    let numbers = numbers.into_iter().filter(|(_, number, default)| number != default);
    flow(numbers.map(|(key, number, _)| (key, number.to_string())))
}

fn line(text: &mut String, indent: &str, key: &str, value: &str) {
    // Writing to a string cannot fail.
    _ = writeln!(text, "{indent}{key}: {value}");
}
