//! Probes: one run of a check against one server.
//!
//! A run ends by itself only when it has found something out. The caller limits its time by
//! dropping the future: every probe gives back its sockets then, and a command is killed with all
//! that it has started. Memory is bounded whatever the server sends.
//!
//! The runtime must have its I/O and its time enabled.

mod dns;
mod exec;
mod http;
mod ping;
mod smtp;
mod tcp;
mod tls;
mod udp;
mod words;

use super::check::Probe;
use std::{net::SocketAddr, time::Duration};

/// What one run of a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether the server gave the answer that the check asks for.
    pub passed: bool,
    /// In words, like `HTTP status 200` or `connection refused`; the same for the same finding.
    pub cause: String,
}

/// Asks servers; holds what runs share: TLS configurations, ping sockets.
///
/// It belongs to the runtime in which it is used first.
#[derive(Debug, Default)]
pub struct Prober {
    connectors: tls::Connectors,
    pings: ping::Pings,
    starts: exec::Starts,
}

/// How a run ends: what passed, or why it failed, in words.
type Outcome = Result<String, String>;

impl Prober {
    /// A prober that holds nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks a server once. `limit` is when the caller drops the future; a probe for which silence
    /// can pass ends shortly before.
    pub async fn run(&self, probe: &Probe, target: SocketAddr, limit: Duration) -> Finding {
        let outcome = match probe {
            Probe::Tcp => tcp::run(target).await,
            // Its state is many times that of the others, which would all take as much.
            Probe::Http(http) => Box::pin(http::run(http, &self.connectors, target)).await,
            Probe::Smtp(smtp) => smtp::run(smtp, target, patience(limit)).await,
            Probe::Dns(dns) => dns::run(dns, target).await,
            Probe::Udp(udp) => udp::run(udp, target, patience(limit)).await,
            Probe::Ping => self.pings.run(target, limit).await,
            Probe::Exec(exec) => self.starts.run(exec, target).await,
        };
        match outcome {
            Ok(cause) => Finding { passed: true, cause },
            Err(cause) => Finding { passed: false, cause },
        }
    }
}

/// How long to wait for what need not come.
fn patience(limit: Duration) -> Duration {
    limit - limit / 10
}
