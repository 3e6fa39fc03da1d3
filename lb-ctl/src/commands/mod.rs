//! The commands: what each asks the agent, and how it shows the answer.

mod check;
mod connections;
mod detach;
mod drops;
mod servers;
mod services;
mod stats;
mod status;

pub(crate) use check::check;
pub(crate) use connections::{Connections, connections};
pub(crate) use detach::detach;
pub(crate) use drops::{Drops, drops};
pub(crate) use servers::{ServerName, drain, servers, weight};
pub(crate) use services::{service, services};
pub(crate) use stats::stats;
pub(crate) use status::status;
