//! Operators' changes: tried, written down, and done; or refused, and nothing has happened.

use super::{agent::Agent, follow, running::Extent};
use crate::{api::Refusal, plan::Op, state::Edits};
use lb_common::api::EventKind;

impl Agent {
    /// Makes `edits` the ones in force. They are on disk when this returns.
    ///
    /// # Errors
    /// There is no room for what they ask for, or they can't be written down; all is as it was
    /// then. Or the maps can't be written: the edits are in force all the same, and what is
    /// missing is tried again.
    pub(super) fn commit(&mut self, edits: Edits) -> Result<(), Refusal> {
        let before = std::mem::replace(&mut self.edits, edits.into());
        let changed = self.follow_edits();
        let kept = self.plan_for(&changed).and_then(|ops| {
            self.store.save(Edits::clone(&self.edits))?;
            Ok(ops)
        });
        let ops = match kept {
            Ok(ops) => ops,
            Err(refusal) => {
                self.edits = before;
                self.follow_edits();
                self.refile();
                return Err(refusal);
            }
        };
        self.apply(&ops)
            .map_err(|error| Refusal::Failed(format!("kept, but not in force yet: {error:#}")))
    }

    /// What there is to do in the maps about a change.
    fn plan_for(&mut self, extent: &Extent) -> Result<Vec<Op>, Refusal> {
        let planned = match extent {
            Extent::Services(places) if places.is_empty() => Ok(Vec::new()),
            // Of several, each would be planned as if the others were done already.
            Extent::Services(places) if places.len() == 1 => match self.plan_service(places[0]) {
                Ok(Some(ops)) => Ok(ops),
                Ok(None) => self.plan(),
                Err(error) => Err(error),
            },
            _ => self.plan(),
        };
        planned.map_err(|error| Refusal::Conflict(error.to_string()))
    }

    /// Says what an operator has changed.
    pub(super) fn tell_change(&self, service: &str, server: Option<&str>, message: String) {
        self.events.record(EventKind::Change, Some(service), server, message);
    }

    /// Applies the edits in force, but for the maps.
    fn follow_edits(&mut self) -> Extent {
        let changed = self.running.apply(&self.edits);
        follow(&mut self.resolver, &self.running.config, &changed.hosts);
        self.follow_config(&changed);
        changed.extent
    }
}
