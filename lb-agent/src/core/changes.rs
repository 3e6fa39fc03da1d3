//! Operators' changes: tried, written down, and done; or refused, and nothing has happened.

use super::{agent::Agent, follow};
use crate::{api::Refusal, state::Edits};
use lb_common::api::EventKind;

impl Agent {
    /// Makes `edits` the ones in force. They are on disk when this returns.
    ///
    /// # Errors
    /// There is no room for what they ask for, or they can't be written down; all is as it was
    /// then. Or the maps can't be written: the edits are in force all the same, and what is
    /// missing is tried again.
    pub(super) fn commit(&mut self, edits: Edits) -> Result<(), Refusal> {
        let serving = self.serving();
        let before = std::mem::replace(&mut self.edits, edits.into());
        self.follow_edits(&serving);
        let planned = self.plan().map_err(|error| Refusal::Conflict(error.to_string()));
        let kept = planned.and_then(|ops| match self.store.save(&self.edits) {
            Ok(()) => Ok(ops),
            Err(error) => Err(error.into()),
        });
        let ops = match kept {
            Ok(ops) => ops,
            Err(refusal) => {
                self.edits = before;
                self.refile();
                self.follow_edits(&serving);
                return Err(refusal);
            }
        };
        self.apply(&ops)
            .map_err(|error| Refusal::Failed(format!("kept, but not in force yet: {error:#}")))
    }

    /// Says what an operator has changed.
    pub(super) fn tell_change(&self, service: &str, server: Option<&str>, message: String) {
        self.events.record(EventKind::Change, Some(service), server, message);
    }

    fn follow_edits(&mut self, serving: &super::elections::Serving) {
        self.running.apply(&self.edits);
        follow(&mut self.resolver, &self.running.config);
        self.follow_config(serving);
    }
}
