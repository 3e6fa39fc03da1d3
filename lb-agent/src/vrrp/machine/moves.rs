//! What the inputs of the table lead to; numbers are sections of RFC 9568.

use super::{Effect, Machine, Peer, Reason, State, Version};
use crate::vrrp::{OWNER, RESIGNS};
use std::{
    mem,
    time::{Duration, Instant},
};

impl Machine {
    /// 6.4.1, and what follows a fault.
    pub(super) fn begin(&mut self, now: Instant, reason: Reason) {
        let first = self.state == State::Initialize;
        self.interval = self.options.interval;
        if let Some(why) = self.failed.clone() {
            // What a crash has left.
            self.effects.push(Effect::RemoveAddresses);
            return self.transit(State::Fault, Reason::Failed(why));
        }
        if self.priority == OWNER && !self.grouped {
            return self.become_master(now, Reason::Owner);
        }
        if first {
            self.effects.push(Effect::RemoveAddresses);
        }
        self.become_backup(now, Reason::NoMaster, reason);
        if self.priority == OWNER {
            self.cause = Reason::Owner;
            self.timer = Some(now);
        } else if first && self.options.starts_as_master {
            let skew = self.options.skew(self.priority, self.interval);
            self.timer = Some(now + self.interval + skew);
        }
    }

    /// 6.4.2
    pub(super) fn heard_as_backup(&mut self, now: Instant, peer: Peer) {
        if peer.priority == RESIGNS {
            self.cause = Reason::Resigned(peer);
            self.timer = Some(now + self.options.skew(self.priority, self.interval));
            return;
        }
        self.stop_lingering();
        if self.preempts(now, peer) {
            self.cause = Reason::Preempts(peer);
            return;
        }
        self.follow(now, peer);
        self.wants = false;
    }

    /// 6.4.3
    pub(super) fn heard_as_master(&mut self, now: Instant, theirs: Peer) {
        let ours = self.priority;
        if theirs.priority == RESIGNS {
            return self.assert(now);
        }
        let yields = theirs.priority > ours
            || theirs.priority == ours
                && self.options.source.is_none_or(|source| theirs.source > source);
        if yields {
            self.effects.push(Effect::RemoveAddresses);
            self.effects.push(Effect::TwoMasters { ours, theirs, yields });
            self.become_backup(now, Reason::NoMaster, Reason::Outranked(theirs));
            return self.follow(now, theirs);
        }
        self.assert(now);
        if self.rival.is_none() {
            self.effects.push(Effect::TwoMasters { ours, theirs, yields });
            self.announce(now);
        }
        self.rival = Some(now + theirs.interval * 3 / 2);
    }

    /// Resigns, but answers until another has been heard to be master.
    pub(super) fn hand_over(&mut self, now: Instant, hold: Duration) {
        self.advertise(now, RESIGNS, Duration::ZERO);
        self.interval = self.options.interval;
        self.become_backup(now, Reason::NoMaster, Reason::HandedOver);
        self.lingers = Some(now + self.interval);
        self.hold = Some(now + hold);
    }

    fn stop_lingering(&mut self) {
        if self.lingers.take().is_some() {
            self.effects.push(Effect::RemoveAddresses);
        }
    }

    /// Whether a backup takes the place of this master: then it lets its timer run out.
    fn preempts(&mut self, now: Instant, peer: Peer) -> bool {
        if peer.priority >= self.priority {
            self.delay = None;
            return false;
        }
        if !self.options.preempts(self.priority) || self.hold.is_some_and(|hold| now < hold) {
            return false;
        }
        now >= *self.delay.get_or_insert(now + self.options.preempt_delay)
    }

    /// Takes a router for the master.
    fn follow(&mut self, now: Instant, peer: Peer) {
        if self.options.version == Version::V3 {
            self.interval = peer.interval;
        }
        self.cause = Reason::Silence(peer);
        self.restart_down_timer(now);
    }

    pub(super) fn restart_down_timer(&mut self, now: Instant) {
        self.timer = Some(now + self.options.down(self.priority, self.interval));
    }

    /// The skew is another, so the timer is as well.
    pub(super) fn shift_timer(&mut self, now: Instant, priority: u8) {
        let skew = |priority| self.options.skew(priority, self.interval);
        let timer = self.timer.map(|timer| timer + skew(priority));
        self.timer = timer.map(|timer| timer.checked_sub(skew(self.priority)).unwrap_or(now));
        self.priority = priority;
    }

    pub(super) fn become_master(&mut self, now: Instant, reason: Reason) {
        self.forget();
        self.interval = self.options.interval;
        self.timer = Some(now + self.interval);
        self.effects.push(Effect::AddAddresses);
        self.advertise(now, self.priority, Duration::ZERO);
        self.announce(now);
        self.transit(State::Master, reason);
    }

    pub(super) fn become_backup(&mut self, now: Instant, cause: Reason, reason: Reason) {
        self.forget();
        self.cause = cause;
        self.restart_down_timer(now);
        self.transit(State::Backup, reason);
    }

    /// Takes part no more.
    pub(super) fn leave(&mut self, now: Instant, to: State, reason: Reason) {
        if self.state == State::Master {
            self.advertise(now, RESIGNS, Duration::ZERO);
            self.effects.push(Effect::RemoveAddresses);
        }
        self.stop_lingering();
        self.forget();
        self.transit(to, reason);
    }

    /// What belongs to the state before.
    fn forget(&mut self) {
        (self.timer, self.delay, self.hold, self.lingers, self.rival) = Default::default();
        self.wants = false;
        self.schedule.stop();
    }

    fn transit(&mut self, to: State, reason: Reason) {
        let from = mem::replace(&mut self.state, to);
        self.effects.push(Effect::Transition { from, to, reason });
    }

    /// Says that it is master, to one that thinks otherwise.
    pub(super) fn assert(&mut self, now: Instant) {
        if self.sent.is_none_or(|sent| now >= sent + Self::SHORTEST) {
            self.advertise(now, self.priority, Duration::ZERO);
            self.timer = Some(now + self.options.interval);
        }
    }

    pub(super) fn advertise(&mut self, now: Instant, priority: u8, late: Duration) {
        self.sent = Some(now);
        self.effects.push(Effect::SendAdvert { priority, late });
    }

    pub(super) fn announce(&mut self, now: Instant) {
        self.effects.push(Effect::Announce(self.options.announce.count));
        self.schedule.begin(now, &self.options.announce);
    }
}
