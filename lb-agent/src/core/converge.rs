//! Leading the data plane to what is desired.

use super::{agent::Agent, resetting::Resetting};
use crate::{
    desired::{self, Desired, Inputs},
    plan::{Ledger, Observed, Op, PlanError},
};
use anyhow::Result;
use lb_common::api::EventKind;
use tracing::{debug, warn};

impl Agent {
    /// Leads the data plane to what is desired now; returns how many operations that took.
    ///
    /// # Errors
    /// There is no room, and nothing was changed; or a map can't be written, and the next time
    /// goes on from there.
    pub(super) fn converge(&mut self) -> Result<usize> {
        let ops = self.plan()?;
        self.apply(&ops)?;
        self.settled = true;
        Ok(ops.len())
    }

    /// The same where only these services have changed.
    pub(super) fn converge_services(&mut self, services: &[usize]) -> Result<usize> {
        let mut done = 0;
        for &place in services {
            match self.plan_service(place)? {
                Some(ops) => {
                    self.apply(&ops)?;
                    done += ops.len();
                }
                None => return self.converge(),
            }
        }
        Ok(done)
    }

    /// What there is to do.
    pub(super) fn plan(&mut self) -> Result<Vec<Op>, PlanError> {
        let resolutions = self.resolver.resolutions();
        let inputs = Inputs {
            standings: &|place| self.running.standings(place),
            resolution: &|address| resolutions.get(&address),
            links: self.resolver.links().clone(),
        };
        let desired = Desired::new(&self.running.config, inputs, &mut self.cache);
        self.ledger.plan(&desired, &self.observed).inspect_err(|_| self.refile())
    }

    /// What there is to do for one service; none if that concerns others too.
    pub(super) fn plan_service(&mut self, place: usize) -> Result<Option<Vec<Op>>, PlanError> {
        let Some(service) = self.running.config.services.get(place) else { return Ok(None) };
        let resolutions = self.resolver.resolutions();
        let standings = self.running.standings(place);
        let resolution = |address| resolutions.get(&address);
        let service = desired::service(service, standings, &resolution, &mut self.cache);
        self.ledger.change(&service, &self.observed).inspect_err(|_| self.refile())
    }

    /// Files anew what the maps hold, after a plan that wasn't carried out.
    pub(super) fn refile(&mut self) {
        self.settled = false;
        self.ledger = Ledger::new(&self.observed);
    }

    /// Does what was planned.
    pub(super) fn apply(&mut self, ops: &[Op]) -> Result<()> {
        let mut resets = false;
        for op in ops {
            debug!(?op, "apply");
            self.settled = false;
            if let Err(error) = self.dataplane.apply(op) {
                let observed = self.dataplane.observe()?;
                self.take_observed(observed);
                return Err(error.into());
            }
            self.observed.apply(op);
            if let Op::WriteServer { index, value } = op {
                resets |= self.resetting.follow(*index, value);
            }
        }
        if resets {
            self.sweeper.reset(self.resetting.places());
        }
        Ok(())
    }

    /// Puts the program on the configured interfaces, as far as it isn't.
    pub(super) async fn attach(&mut self) -> Result<()> {
        let interfaces = &self.running.config.interfaces;
        let mut attached = self.dataplane.attach(&self.netlink, interfaces).await?;
        for now in &mut attached {
            let anew = std::mem::take(&mut now.anew);
            if anew && self.attached.contains(now) {
                let message =
                    format!("{}: the program was taken off and is attached again", now.interface);
                self.events.warn(EventKind::Repair, None, None, message);
            }
        }
        let before = std::mem::replace(&mut self.attached, attached);
        for now in self.attached.iter().filter(|now| !before.contains(now)) {
            if let Some(problem) = &now.problem {
                warn!("{problem}");
            }
            if !before.is_empty() {
                let message = format!("{}: {}", now.interface, now.mode);
                self.events.record(EventKind::Interface, None, None, message);
            }
            self.drivers.prepare(now);
        }
        Ok(())
    }

    /// Repairs what anybody else has changed in maps and interfaces.
    pub(super) async fn reconcile(&mut self) {
        let repaired = self.repair();
        let attached = self.attach().await;
        self.note([repaired, attached]);
    }

    fn repair(&mut self) -> Result<()> {
        if !self.settled {
            // What is known to be missing is no drift.
            self.converge()?;
        }
        let observed = self.dataplane.observe()?;
        if observed.agrees(&self.observed) {
            return Ok(());
        }
        self.take_observed(observed);
        let repaired = self.converge()?;
        if repaired > 0 {
            let message = format!(
                "{repaired} differences in the maps were put right: something else writes to them"
            );
            self.events.warn(EventKind::Repair, None, None, message);
            self.repairs += repaired;
        }
        Ok(())
    }

    /// Goes on from what the maps hold, which is not what they should.
    fn take_observed(&mut self, observed: Observed) {
        self.observed = observed;
        self.refile();
        let resetting = Resetting::of(&self.observed);
        if resetting != self.resetting {
            self.resetting = resetting;
            self.sweeper.reset(self.resetting.places());
        }
    }
}
