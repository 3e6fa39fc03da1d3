use super::EventKind;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Counts from 1 since the agent started, without gaps.
    pub sequence: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub time: u64,
    /// What kind of thing.
    pub kind: EventKind,
    /// Name of the service, where it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Name of the server, where it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What happened and why, in words.
    pub message: String,
}

/// Which events to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    /// Only those with a greater sequence.
    #[serde(default)]
    pub after: u64,
    /// Whether the answer goes on with each new event.
    #[serde(default)]
    pub follow: bool,
}
