//! The words of configuration, API and tables.

use serde::{Deserialize, Serialize};

/// How the XDP program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachMode {
    /// In the driver.
    Native,
    /// In the kernel's generic hook, behind the allocation of a socket buffer: slow.
    Generic,
    /// Not at all (the interface is gone).
    Detached,
}

/// Transport protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// How packets reach the servers of a service; LVS's masq, gate and ipip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Address translation.
    Nat,
    /// Direct routing.
    Dr,
    /// IP in IP.
    Tunnel,
}

/// How a server is chosen for a new connection; the names are LVS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// Round robin; weights other than 0 count alike.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Source hash over a table in proportion to the weights.
    Sh,
    /// Maglev hash.
    Mh,
    /// Hash of the virtual address.
    Dh,
    /// Fewest connections.
    Lc,
    /// Fewest connections for its weight.
    Wlc,
    /// Shortest expected delay: as `wlc`, with the new connection counted.
    Sed,
    /// Never queue: a server without connections, else as `sed`.
    Nq,
}

/// Whether a server takes new connections, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerState {
    /// It does.
    Up,
    /// It does, with a part of its weight: it has come up a short time ago.
    SlowStart,
    /// It would, but it is a backup, and others are up.
    Standby,
    /// Its weight is 0, or it is drained: the flows it has go on.
    Drained,
    /// An operator has taken it out.
    Disabled,
    /// Its first check is still out.
    Checking,
    /// Its check fails.
    Down,
    /// The link-layer address of its next hop is not known.
    Unresolved,
    /// There is no usable route to it.
    Unreachable,
    /// It is this director.
    Local,
}

/// What an operator wants of a server.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum AdminState {
    /// To take connections.
    #[default]
    Enabled,
    /// To take no new connections, and to keep those that it has.
    Drained,
    /// To be as one whose check fails; it isn't checked.
    Disabled,
}

/// What becomes of the connections of a server that goes down.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum OnDown {
    /// They are reset at once; UDP flows choose another server.
    #[default]
    Reset,
    /// They stay; LVS's quiescent.
    Keep,
}

/// What a check says of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Not enough results yet.
    Checking,
    /// It works.
    Up,
    /// It doesn't.
    Down,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A check has changed its mind about a server.
    Health,
    /// A service has changed whom it sends connections to: its backups, its fallback, nobody.
    Service,
    /// An operator has changed something.
    Change,
    /// The configuration file was read again.
    Reload,
    /// A drain has come to its end.
    Drain,
    /// Something that this agent didn't change was put right.
    Repair,
    /// An interface came or went.
    Interface,
    /// The agent began, or can't do something.
    Agent,
}

macro_rules! words {
    ($($type:ident: $($variant:ident $word:literal),+;)+) => { $(
        impl $type {
            /// All values, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used in configuration, API and tables.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.word())
            }
        }
    )+ };
}

words! {
    AttachMode: Native "native", Generic "generic", Detached "detached";
    Protocol: Tcp "tcp", Udp "udp";
    Mode: Nat "nat", Dr "dr", Tunnel "tunnel";
    Scheduler: Rr "rr", Wrr "wrr", Sh "sh", Mh "mh", Dh "dh", Lc "lc", Wlc "wlc", Sed "sed", Nq "nq";
    ServerState: Up "up", SlowStart "slow-start", Standby "standby", Drained "drained",
        Disabled "disabled", Checking "checking", Down "down", Unresolved "unresolved",
        Unreachable "unreachable", Local "local";
    AdminState: Enabled "enabled", Drained "drained", Disabled "disabled";
    OnDown: Reset "reset", Keep "keep";
    Verdict: Checking "checking", Up "up", Down "down";
    EventKind: Health "health", Service "service", Change "change", Reload "reload",
        Drain "drain", Repair "repair", Interface "interface", Agent "agent";
}
