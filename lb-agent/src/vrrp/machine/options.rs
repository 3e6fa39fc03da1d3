use super::super::OWNER;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

/// How a virtual router behaves on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which protocol's timers.
    pub version: Version,
    /// Between two of its own advertisements, as [`super::super::packet::Format::intervals`] has
    /// it.
    pub interval: Duration,
    /// What it sends from, if that is known: of two routers of the same priority, the one with the
    /// higher address is master.
    pub source: Option<IpAddr>,
    /// Takes the mastership from a router of lower priority. An owner always does.
    pub preempt: bool,
    /// For how long it lets such a router be master still, once heard.
    pub preempt_delay: Duration,
    /// Begins as if it had been master before: waits for one advertisement instead of three.
    pub starts_as_master: bool,
    /// How the neighbours are told where the addresses are.
    pub announce: Announcing,
}

/// Whose timers: VRRPv2 counts its skew in fractions of a second (RFC 3768, section 6.1), VRRPv3
/// in those of the master's interval (RFC 9568, section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// RFC 3768.
    V2,
    /// RFC 9568.
    V3,
}

/// Gratuitous ARP and unsolicited neighbour advertisements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcing {
    /// For each address at a time (keepalived's `garp_master_repeat`).
    pub count: u8,
    /// All of it once more after this (`garp_master_delay`); zero: not.
    pub repeat: Duration,
    /// And from then on at this interval (`garp_master_refresh`); zero: not.
    pub refresh: Duration,
    /// Then for each address (`garp_master_refresh_repeat`).
    pub refresh_count: u8,
}

impl Default for Announcing {
    /// As keepalived's.
    fn default() -> Self {
        Self { count: 5, repeat: Duration::from_secs(5), refresh: Duration::ZERO, refresh_count: 1 }
    }
}

impl Options {
    /// `Skew_Time`: the lower the priority, the longer.
    pub fn skew(&self, priority: u8, interval: Duration) -> Duration {
        let whole = match self.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => interval,
        };
        whole * (256 - u32::from(priority)) / 256
    }

    /// `Active_Down_Interval` (`Master_Down_Interval` before RFC 9568): a master silent for so
    /// long is none.
    pub fn down(&self, priority: u8, interval: Duration) -> Duration {
        3 * interval + self.skew(priority, interval)
    }

    pub(super) fn preempts(&self, priority: u8) -> bool {
        self.preempt || priority == OWNER
    }
}

/// When the neighbours are told next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Schedule {
    repeat: Option<Instant>,
    refresh: Option<Instant>,
}

impl Schedule {
    /// They have been told now, because of something new.
    pub(super) fn begin(&mut self, now: Instant, options: &Announcing) {
        let after = |delay: Duration| (!delay.is_zero()).then(|| now + delay);
        self.repeat = after(options.repeat);
        self.refresh = after(options.refresh).map(|refresh| refresh + options.repeat);
    }

    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.repeat.into_iter().chain(self.refresh).min()
    }

    /// How often each address is announced now, if at all.
    pub(super) fn poll(&mut self, now: Instant, options: &Announcing) -> Option<u8> {
        let repeat = self.repeat.take_if(|at| *at <= now).map(|_| options.count);
        let refresh = self.refresh.filter(|at| *at <= now).map(|_| {
            self.refresh = Some(now + options.refresh);
            options.refresh_count
        });
        repeat.max(refresh)
    }
}
