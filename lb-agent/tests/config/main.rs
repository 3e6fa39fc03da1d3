//! The configuration file: what is accepted, what is refused, where, and with which words.

mod accepted;
mod checks;
mod files;
mod fragments;
mod hostile;
mod refused;
mod roundtrip;

use lb_agent::config::{Config, parse};
use lb_common::api::Problem;

/// Reads a text on a host that has the interfaces `eth0` and `eth1`.
fn read(text: &str) -> Result<Config, Vec<Problem>> {
    parse("lb.yaml", text, &has_interface)
}

fn has_interface(name: &str) -> bool {
    matches!(name, "eth0" | "eth1")
}
