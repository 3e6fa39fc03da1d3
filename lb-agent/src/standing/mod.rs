//! Who takes a service's new connections: from what the operator wants and what the checks say to
//! each member's share. Pure; the time of the next change of itself is part of the answer.

mod roster;
mod slow_start;

#[cfg(test)]
mod tests;

pub use roster::Roster;

use crate::config::{Server, Service};
use lb_common::api::{AdminState, OnDown, ServerState, Verdict};
use std::time::Instant;

/// What is known of a server beside its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What its check says; none if it isn't checked.
    pub verdict: Option<Verdict>,
    /// Whether the time that a drain had is over.
    pub drain_over: bool,
}

/// Who serves a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Its ordinary servers.
    Servers,
    /// Its backup servers: no other is up.
    Backups,
    /// Its fallback: no server is up.
    Fallback,
    /// Nobody.
    Nobody,
}

/// How one member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its part of the new flows, in proportion to the other members'; with 0 it takes none.
    pub share: u32,
    /// Whether the connections that it has are reset; only without a share.
    pub resets: bool,
    /// The same for an operator, as far as the way to the server doesn't matter.
    pub state: ServerState,
}

/// How a service's members stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// In the order of [`Service::members`].
    pub standings: Vec<Standing>,
    /// Who serves.
    pub tier: Tier,
    /// When it should be held again although nothing has happened: a slow start goes on.
    pub again: Option<Instant>,
}

impl Election {
    /// Before the first one.
    pub fn nobody() -> Self {
        Self { standings: Vec::new(), tier: Tier::Nobody, again: None }
    }
}

/// Decides how the members of a service stand. `up_since` says of those that start slowly when
/// they came up.
fn elect(
    service: &Service,
    facts: impl Fn(&Server) -> Facts,
    up_since: impl Fn(&Server) -> Option<Instant>,
    now: Instant,
) -> Election {
    let known: Vec<Facts> = service.servers.iter().map(facts).collect();
    let members = || service.servers.iter().zip(&known);
    let any = |backup: bool| {
        members().any(|(server, facts)| server.backup == backup && is_usable(server, facts))
    };
    let tier = if any(false) {
        Tier::Servers
    } else if any(true) {
        Tier::Backups
    } else if service.fallback.is_some() {
        Tier::Fallback
    } else {
        Tier::Nobody
    };
    let serves = |server: &Server, facts: &Facts| {
        is_usable(server, facts) && server.backup == (tier == Tier::Backups)
    };

    let serving = members().filter(|(server, facts)| serves(server, facts));
    let ramp = slow_start::Ramp::new(
        service.slow_start,
        serving.map(|(server, _)| (server.weight, up_since(server))),
        now,
    );
    let standing = |(server, facts): (&Server, &Facts)| {
        let serves = serves(server, facts);
        let up_since = up_since(server);
        Standing {
            share: if serves { ramp.share(server.weight, up_since) } else { 0 },
            resets: resets(service.on_down, server, facts),
            state: state(server, facts, serves, ramp.is_rising(up_since)),
        }
    };
    let mut standings: Vec<Standing> = members().map(standing).collect();
    standings.extend(service.fallback.as_ref().map(|fallback| {
        let serves = tier == Tier::Fallback;
        let share = if serves { fallback.weight.max(1) } else { 0 };
        let state = if serves { ServerState::Up } else { ServerState::Standby };
        Standing { share, resets: false, state }
    }));
    Election { standings, tier, again: ramp.next }
}

/// Whether a server could take new connections.
fn is_usable(server: &Server, facts: &Facts) -> bool {
    server.admin == AdminState::Enabled
        && server.weight > 0
        && matches!(facts.verdict, None | Some(Verdict::Up))
}

fn resets(on_down: OnDown, server: &Server, facts: &Facts) -> bool {
    let is_down = server.admin == AdminState::Disabled || facts.verdict == Some(Verdict::Down);
    let is_over = server.admin == AdminState::Drained && facts.drain_over;
    is_over || is_down && on_down == OnDown::Reset
}

fn state(server: &Server, facts: &Facts, serves: bool, rises: bool) -> ServerState {
    match (server.admin, facts.verdict) {
        (AdminState::Disabled, _) => ServerState::Disabled,
        (_, Some(Verdict::Down)) => ServerState::Down,
        (AdminState::Drained, _) => ServerState::Drained,
        (_, Some(Verdict::Checking)) => ServerState::Checking,
        _ if server.weight == 0 => ServerState::Drained,
        _ if !serves => ServerState::Standby,
        _ if rises => ServerState::SlowStart,
        _ => ServerState::Up,
    }
}

/// What an operator is told when somebody else serves.
impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Servers => "served by its servers",
            Self::Backups => "no server is up: served by its backups",
            Self::Fallback => "no server is up: served by its fallback",
            Self::Nobody => "no server is up: nobody serves it",
        })
    }
}
