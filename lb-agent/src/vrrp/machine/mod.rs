//! One virtual router on one node (RFC 9568, section 6.4; RFC 3768, section 6.4).
//!
//! ```text
//!                      Startup, 6.4.1: owner
//!            +------------------------------------------+
//!            |                                          |
//!            |         Startup, 6.4.1                   v   advertises,
//!      +------------+  ------------>  +--------+     +--------+ 6.4.3
//!      | Initialize |                 | Backup |     | Master |----+
//!      +------------+  <------------  +--------+     +--------+ <--+
//!        ^  |     ^    Shutdown, 6.4.2  | ^  |          | ^  |
//!        |  |     |                     | |  +----------|-+  | Shutdown, 6.4.3
//!        |  |     +---------------------|-|-------------|----+ (says priority 0)
//!        |  |                           | |  master silent or resigned, or GroupMaster, 6.4.2
//!        |  |                           | +-------------+
//!        |  |                           |   outranked, 6.4.3; HandOver (says priority 0);
//!        |  |                           |   GroupBackup
//!        |  | Startup,         Failed   |             |
//!        |  | Failed before    +--------+-------------+ Failed (says priority 0)
//!        |  v                  v
//!      +-----------------------+  Recovered: as Startup
//!      |         Fault         | ----------------------> Backup, or Master for the owner
//!      +-----------------------+
//! ```
//!
//! Fault, the delay of preemption and the groups are keepalived's, the hand-over is this one's own.

mod effect;
mod moves;
mod options;

#[cfg(test)]
mod tests;

pub use effect::{Effect, Input, Peer, Reason, State};
pub use options::{Announcing, Options, Version};

use super::RESIGNS;
use options::Schedule;
use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// The state machine: inputs and the time in, effects and the next deadline out.
#[derive(Debug)]
pub struct Machine {
    options: Options,
    /// Becomes master with its group only.
    grouped: bool,
    priority: u8,
    state: State,
    failed: Option<Arc<str>>,
    /// `Active_Adver_Interval`.
    interval: Duration,
    /// `Adver_Timer` of a master, `Active_Down_Timer` of a backup.
    timer: Option<Instant>,
    /// What would make it master: in a backup.
    cause: Reason,
    /// Would be master, but for its group.
    wants: bool,
    /// A router of lower priority has been heard, and may be master until then.
    delay: Option<Instant>,
    /// Another may be master until then: it was handed over.
    hold: Option<Instant>,
    /// Handed over, but nobody has been heard to take it: keeps the addresses, and resigns again
    /// then.
    lingers: Option<Instant>,
    /// There is another master, which counts as silent from then on.
    rival: Option<Instant>,
    /// Last advertisement.
    sent: Option<Instant>,
    schedule: Schedule,
    effects: Vec<Effect>,
}

impl Machine {
    /// Between two advertisements that others occasion: two routers that contradict each other
    /// shall not do so at the speed of the wire.
    const SHORTEST: Duration = Duration::from_millis(10);

    /// A virtual router of this effective priority, not started. In a group it becomes master by
    /// [`Input::GroupMaster`] alone.
    pub fn new(options: Options, priority: u8, grouped: bool) -> Self {
        Self {
            interval: options.interval,
            options,
            grouped,
            priority: at_least_1(priority),
            state: State::Initialize,
            failed: None,
            timer: None,
            cause: Reason::NoMaster,
            wants: false,
            delay: None,
            hold: None,
            lingers: None,
            rival: None,
            sent: None,
            schedule: Schedule::default(),
            effects: vec![],
        }
    }

    /// What it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Its effective priority.
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// Whether it would be master, but for its group.
    pub fn wants_master(&self) -> bool {
        self.wants
    }

    /// The master that it hears, if it is a backup.
    pub fn master(&self) -> Option<Peer> {
        match self.cause {
            Reason::Silence(peer) | Reason::Preempts(peer) if self.state == State::Backup => {
                Some(peer)
            }
            _ => None,
        }
    }

    /// When to [`Self::poll`] at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let times = [self.timer, self.lingers, self.rival, self.schedule.due()];
        times.into_iter().flatten().min()
    }

    /// Other options from now on.
    pub fn reconfigure(&mut self, now: Instant, options: Options) {
        self.options = options;
        let latest = match self.state {
            State::Initialize | State::Fault => return,
            State::Master => self.options.interval,
            State::Backup => {
                if self.options.version == Version::V2 {
                    self.interval = self.options.interval;
                }
                self.options.down(self.priority, self.interval)
            }
        };
        self.timer = self.timer.map(|timer| timer.min(now + latest));
    }

    /// Something happens.
    pub fn input(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        use Input::*;
        match (self.state, input) {
            (State::Backup, Priority(priority)) => self.shift_timer(now, at_least_1(priority)),
            (_, Priority(priority)) => self.priority = at_least_1(priority),

            (State::Initialize, Startup) => self.begin(now, Reason::Started),
            (State::Initialize | State::Fault, Failed(why)) => self.failed = Some(why),
            (State::Initialize, Recovered) => self.failed = None,
            (State::Initialize, Shutdown | Heard(_) | HandOver(_) | GroupMaster | GroupBackup) => {}

            (State::Backup, Heard(peer)) => self.heard_as_backup(now, peer),
            (State::Backup, GroupMaster) => self.become_master(now, self.cause.clone()),
            (State::Backup, HandOver(hold)) => self.hold = Some(now + hold),
            (State::Backup, Startup | Recovered | GroupBackup) => {}

            (State::Master, Heard(peer)) => self.heard_as_master(now, peer),
            (State::Master, GroupBackup) => {
                self.effects.push(Effect::RemoveAddresses);
                self.interval = self.options.interval;
                self.become_backup(now, Reason::NoMaster, Reason::Group);
            }
            (State::Master, HandOver(hold)) => self.hand_over(now, hold),
            (State::Master, Startup | Recovered | GroupMaster) => {}

            (State::Backup | State::Master, Failed(why)) => {
                self.failed = Some(why.clone());
                self.leave(now, State::Fault, Reason::Failed(why));
            }
            (State::Fault, Recovered) => {
                self.failed = None;
                self.begin(now, Reason::Recovered);
            }
            (State::Fault, Startup | Heard(_) | HandOver(_) | GroupMaster | GroupBackup) => {}

            (State::Backup | State::Master | State::Fault, Shutdown) => {
                self.leave(now, State::Initialize, Reason::Stopped);
            }
        }
        mem::take(&mut self.effects)
    }

    /// Time has passed. What was received before is to be put in before: it may be what moves the
    /// deadline.
    pub fn poll(&mut self, now: Instant) -> Vec<Effect> {
        if let Some(due) = self.timer.filter(|due| *due <= now) {
            self.timer_fires(now, due);
        }
        if self.lingers.is_some_and(|at| at <= now) {
            self.advertise(now, RESIGNS, Duration::ZERO);
            self.lingers = Some(now + self.options.interval);
        }
        if self.rival.take_if(|at| *at <= now).is_some() {
            self.effects.push(Effect::OneMaster);
            self.announce(now);
        }
        if let Some(count) = self.schedule.poll(now, &self.options.announce) {
            self.effects.push(Effect::Announce(count));
        }
        mem::take(&mut self.effects)
    }

    /// Another member of the group had a rival, which has announced more than that one's addresses.
    pub fn announce_again(&mut self, now: Instant) -> Vec<Effect> {
        if self.state == State::Master {
            self.announce(now);
        }
        mem::take(&mut self.effects)
    }

    fn timer_fires(&mut self, now: Instant, due: Instant) {
        match self.state {
            State::Backup if self.grouped => {
                self.wants = true;
                self.restart_down_timer(now);
            }
            State::Backup => self.become_master(now, self.cause.clone()),
            State::Master => {
                let late = now - due;
                let interval = self.options.interval;
                self.advertise(now, self.priority, late);
                if late > interval / 2 {
                    self.effects.push(Effect::Late(late));
                }
                // In phase, unless that has passed as well.
                self.timer =
                    Some(due + interval).filter(|next| *next > now).or(Some(now + interval));
            }
            State::Initialize | State::Fault => self.timer = None,
        }
    }
}

/// 0 is no priority, but what a router says that resigns.
fn at_least_1(priority: u8) -> u8 {
    priority.max(RESIGNS + 1)
}
