//! Names and addresses that may be there only once.

use super::decode::{Field, Read};
use super::problem::Place;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

/// Things that must differ, and where each was seen first.
pub(super) struct Distinct<K>(HashMap<K, Seen>);

/// Where a thing was seen: `the service in line 7`, `the service that runs`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    At(Place),
    Running,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(place) => write!(f, "in line {}", place.line),
            Self::Running => f.write_str("that runs"),
        }
    }
}

impl<K: Hash + Eq> Distinct<K> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Things that run already.
    pub(super) fn running(keys: impl Iterator<Item = K>) -> Self {
        Self(keys.map(|key| (key, Seen::Running)).collect())
    }

    /// Reports on `field` if `key` was seen before; `message` is told where.
    pub(super) fn claim(
        &mut self,
        key: K,
        field: &Field<'_>,
        message: impl FnOnce(Seen) -> String,
    ) -> Read<()> {
        match self.0.get(&key) {
            None => {
                self.0.insert(key, Seen::At(field.node.place));
                Ok(())
            }
            Some(first) => Err(field.report(message(*first))),
        }
    }
}
