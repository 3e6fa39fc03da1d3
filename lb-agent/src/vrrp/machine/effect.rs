use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

/// What a virtual router is (RFC 9568, section 6.4), and what keepalived adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not started, or stopped.
    Initialize,
    /// Watches the master.
    Backup,
    /// Has the addresses. The RFC says active.
    Master,
    /// Could not forward, and doesn't take part.
    Fault,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Initialize, Self::Backup, Self::Master, Self::Fault];

    /// keepalived's word for it, which its notify scripts are given.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Initialize => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What happens to a virtual router. Time is an input as well: see [`super::Machine::poll`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Takes part from now on.
    Startup,
    /// Takes part no more.
    Shutdown,
    /// An advertisement that [`super::super::packet::parse`] has let through.
    Heard(Peer),
    /// Its effective priority is another, see [`super::super::track`].
    Priority(u8),
    /// It can't forward, because of this (in words): its link is down, or something it depends on
    /// failed. Again while it can't: the reason is another.
    Failed(Arc<str>),
    /// It can again.
    Recovered,
    /// Another router is to be master, and for this time it is left so unless it falls silent.
    HandOver(Duration),
    /// Its group has become master.
    GroupMaster,
    /// Its group is master no more.
    GroupBackup,
}

/// What a peer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Its interval.
    pub interval: Duration,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an advertisement to the multicast group and to all peers.
    SendAdvert {
        /// What it says.
        priority: u8,
        /// How long after it was due; zero if it was not due, but occasioned.
        late: Duration,
    },
    /// An advertisement was late by more than half an interval: tell the operator.
    Late(Duration),
    /// Add the virtual addresses that aren't there, without duplicate address detection.
    AddAddresses,
    /// Remove the virtual addresses that are there.
    RemoveAddresses,
    /// Tell the neighbours where the addresses are, so many times for each.
    Announce(u8),
    /// The state is another: tell the operator.
    Transition {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
        /// In words by its `Display`.
        reason: Reason,
    },
    /// There are two masters, as long as both live: tell the operator, and count.
    TwoMasters {
        /// The priority here.
        ours: u8,
        /// The other one.
        theirs: Peer,
        /// It is this one that gives way. Then it may have been no more than a preemption, which
        /// looks the same from here.
        yields: bool,
    },
    /// The other master has been silent for long enough: it has given way.
    OneMaster,
}

/// Why a virtual router is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// As it says.
    Started,
    /// As it says.
    Stopped,
    /// The virtual addresses are its own.
    Owner,
    /// No master was heard at all.
    NoMaster,
    /// The master was heard no more.
    Silence(Peer),
    /// The master has given up.
    Resigned(Peer),
    /// The master's priority is lower.
    Preempts(Peer),
    /// A master of higher priority, or of the same and with a higher address.
    Outranked(Peer),
    /// It can't forward.
    Failed(Arc<str>),
    /// It can again.
    Recovered,
    /// The operator wants another to be master.
    HandedOver,
    /// The group moves.
    Group,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Stopped => f.write_str("stopped"),
            Self::Owner => f.write_str("the virtual addresses are its own (priority 255)"),
            Self::NoMaster => f.write_str("no master was heard"),
            Self::Silence(peer) => write!(f, "{} was heard no more", peer.source),
            Self::Resigned(peer) => write!(f, "{} has given up (priority 0)", peer.source),
            Self::Preempts(peer) => {
                write!(f, "{} has a lower priority: {}", peer.source, peer.priority)
            }
            Self::Outranked(peer) => {
                write!(f, "{} is master with priority {}", peer.source, peer.priority)
            }
            Self::Failed(why) => f.write_str(why),
            Self::Recovered => f.write_str("recovered"),
            Self::HandedOver => f.write_str("handed over"),
            Self::Group => f.write_str("with its group"),
        }
    }
}
