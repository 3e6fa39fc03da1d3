use super::Place;
use crate::dataplane::{self, Flows};
use lb_common::abi::{Flow, FlowKey, protocol};
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
    /// Counts all flows.
    pub fn take(flows: &Flows, now: u32) -> Result<Self, dataplane::Error> {
        let mut counts = Self::default();
        flows.visit(now, |key, flow| counts.add(key, flow, now))?;
        Ok(counts)
    }

    /// Of one server.
    pub fn of(&self, place: Place) -> Count {
        self.0.get(&place).copied().unwrap_or_default()
    }

    /// All servers that have any.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, Count)> {
        self.0.iter().map(|(place, count)| (*place, *count))
    }

    /// Takes a flow in.
    pub(super) fn add(&mut self, key: &FlowKey, flow: &Flow, now: u32) {
        if !flow.is_load(now) {
            return;
        }
        let count = self.0.entry((flow.server, flow.generation)).or_default();
        match key.protocol {
            protocol::TCP => count.tcp += 1,
            _ => count.udp += 1,
        }
    }
}
