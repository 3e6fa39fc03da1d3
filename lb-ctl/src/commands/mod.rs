//! The commands: what each asks the agent, and how it shows the answer.

mod check;
mod connections;
mod definition;
mod detach;
mod differences;
mod drain;
mod drops;
mod events;
mod file;
mod host;
mod name;
mod save;
mod server;
mod service;
mod stats;
mod status;

pub(crate) use check::{check, reload};
pub(crate) use connections::{Connections, connections};
pub(crate) use detach::detach;
pub(crate) use differences::{Reset, diff, reset};
pub(crate) use drops::{Drops, drops};
pub(crate) use events::{Events, events};
pub(crate) use host::{HostCommand, host};
pub(crate) use name::{Named, ServerName};
pub(crate) use save::{Save, save};
pub(crate) use server::{ServerCommand, server};
pub(crate) use service::{ServiceCommand, service};
pub(crate) use stats::stats;
pub(crate) use status::status;
