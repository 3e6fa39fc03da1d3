//! Virtual routers that move together (keepalived's `vrrp_sync_group`).

use super::machine::{Effect, Input, Machine, Options, State};
use std::{sync::Arc, time::Instant};

/// Virtual routers that are masters together or not at all; or a single one.
///
/// | what happens to a member | what happens to the others |
/// | --- | --- |
/// | would be master | nothing, until all would be: then all are |
/// | is master no more | back to Backup, without a word to their peers |
/// | fails | Fault, until all that failed have recovered |
/// | is started, stopped or handed over | the same |
/// | its rival has fallen silent | announce their addresses again |
#[derive(Debug)]
pub struct Group {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: Arc<str>,
    machine: Machine,
    /// Its own reason not to forward.
    failed: Option<Arc<str>>,
}

/// An effect on the member of this index.
pub type Affected = (usize, Effect);

impl Group {
    /// Of these: name, options and effective priority of each. Not started.
    pub fn new(members: Vec<(Arc<str>, Options, u8)>) -> Self {
        let grouped = members.len() > 1;
        let member = |(name, options, priority)| Member {
            name,
            machine: Machine::new(options, priority, grouped),
            failed: None,
        };
        Self { members: members.into_iter().map(member).collect() }
    }

    /// A member, to look at.
    pub fn member(&self, index: usize) -> Option<&Machine> {
        self.members.get(index).map(|member| &member.machine)
    }

    /// What the group is, if its members agree (they do but for the time between two inputs, and
    /// while some are backups and others not started).
    pub fn state(&self) -> Option<State> {
        let first = self.members.first()?.machine.state();
        self.members.iter().all(|member| member.machine.state() == first).then_some(first)
    }

    /// When to [`Self::poll`] at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.members.iter().filter_map(|member| member.machine.deadline()).min()
    }

    /// Other options of a member.
    pub fn reconfigure(&mut self, now: Instant, index: usize, options: Options) {
        if let Some(member) = self.members.get_mut(index) {
            member.machine.reconfigure(now, options);
        }
    }

    /// Something happens to a member. Inputs about a member that there is not have no effect.
    pub fn input(&mut self, now: Instant, index: usize, input: Input) -> Vec<Affected> {
        let Some(member) = self.members.get_mut(index) else { return vec![] };
        let mut effects = vec![];
        match input {
            Input::Startup | Input::Shutdown | Input::HandOver(_) => {
                self.all(now, &mut effects, |_| Some(input.clone()));
            }
            Input::Failed(why) => {
                member.failed = Some(why);
                self.fail(now, &mut effects);
            }
            Input::Recovered => {
                member.failed = None;
                if self.members.iter().any(|member| member.failed.is_some()) {
                    self.fail(now, &mut effects);
                } else {
                    self.all(now, &mut effects, |_| Some(Input::Recovered));
                }
            }
            Input::Heard(_) | Input::Priority(_) | Input::GroupMaster | Input::GroupBackup => {
                extend(&mut effects, index, member.machine.input(now, input));
            }
        }
        self.move_together(now, &mut effects);
        effects
    }

    /// Time has passed; see [`Machine::poll`].
    pub fn poll(&mut self, now: Instant) -> Vec<Affected> {
        let mut effects = vec![];
        for (index, member) in self.members.iter_mut().enumerate() {
            extend(&mut effects, index, member.machine.poll(now));
        }
        let winner = effects.iter().find(|(_, effect)| *effect == Effect::OneMaster);
        if let Some(&(winner, _)) = winner {
            for (index, member) in self.members.iter_mut().enumerate() {
                if index != winner {
                    extend(&mut effects, index, member.machine.announce_again(now));
                }
            }
        }
        self.move_together(now, &mut effects);
        effects
    }

    /// Each member that can't forward says so, the others name it.
    fn fail(&mut self, now: Instant, effects: &mut Vec<Affected>) {
        let Some(culprit) = self.members.iter().find(|member| member.failed.is_some()) else {
            return;
        };
        let through = format!("{} of its group failed", culprit.name).into();
        self.all(now, effects, |member| {
            Some(Input::Failed(member.failed.as_ref().unwrap_or(&through).clone()))
        });
    }

    fn move_together(&mut self, now: Instant, effects: &mut Vec<Affected>) {
        let lost = effects.iter().any(|(_, effect)| {
            matches!(effect, Effect::Transition { from: State::Master, to: State::Backup, .. })
        });
        if lost {
            self.all(now, effects, |_| Some(Input::GroupBackup));
        }
        let ready = |member: &Member| {
            member.machine.wants_master() || member.machine.state() == State::Master
        };
        if self.members.iter().all(ready) {
            self.all(now, effects, |member| {
                member.machine.wants_master().then_some(Input::GroupMaster)
            });
        }
    }

    fn all(
        &mut self,
        now: Instant,
        effects: &mut Vec<Affected>,
        input: impl Fn(&Member) -> Option<Input>,
    ) {
        for (index, member) in self.members.iter_mut().enumerate() {
            if let Some(input) = input(member) {
                extend(effects, index, member.machine.input(now, input));
            }
        }
    }
}

fn extend(effects: &mut Vec<Affected>, index: usize, of_one: Vec<Effect>) {
    effects.extend(of_one.into_iter().map(|effect| (index, effect)));
}

#[cfg(test)]
mod tests;
