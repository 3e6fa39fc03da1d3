use super::Place;
use lb_common::abi::{Flow, FlowKey, direction, protocol, state};
use std::collections::HashMap;

/// How many connections each server has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(HashMap<Place, Count>);

/// Flows of clients that live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// TCP connections that neither side has closed.
    pub tcp: u64,
    /// UDP flows.
    pub udp: u64,
}

impl Count {
    /// Both.
    pub fn total(self) -> u64 {
        self.tcp + self.udp
    }
}

impl Counts {
    /// Of one server.
    pub fn of(&self, place: Place) -> Count {
        self.0.get(&place).copied().unwrap_or_default()
    }

    /// Takes a flow in that isn't forgotten.
    pub(super) fn add(&mut self, key: &FlowKey, flow: &Flow) {
        if flow.direction != direction::REQUEST || flow.state >= state::FIN {
            return;
        }
        let count = self.0.entry((flow.server, flow.generation)).or_default();
        match key.protocol {
            protocol::TCP => count.tcp += 1,
            _ => count.udp += 1,
        }
    }
}
