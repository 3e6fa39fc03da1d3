use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, show};
use crate::time::duration;
use lb_common::api::{AttachMode, Interface, Status};
use std::process::ExitCode;

/// `status`
pub(crate) fn status(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    show(client, format, &Request::get(&["status"]), |status: Status| View::from(view(&status)))
}

fn view(status: &Status) -> String {
    let interfaces: Vec<_> = status.interfaces.iter().map(interface).collect();
    let mut text = format!(
        "\
lb-agent    {} on {}, pid {}, up {}
config      {}
pins        {}
interfaces  {}
services    {} with {} servers
",
        status.version,
        status.node,
        status.pid,
        duration(status.uptime),
        status.config,
        status.pins,
        if interfaces.is_empty() { "none".to_owned() } else { interfaces.join(", ") },
        status.services,
        status.servers,
    );
    for warning in &status.warnings {
        text += &format!("warning     {warning}\n");
    }
    text
}

fn interface(interface: &Interface) -> String {
    let slow = if interface.attached == AttachMode::Generic { ": slow" } else { "" };
    format!("{} ({}{slow})", interface.name, interface.attached)
}
