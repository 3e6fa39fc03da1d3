use super::AdminState;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// A change of one server. What is absent stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerChange {
    /// A new weight, at most [`MAX_WEIGHT`](super::MAX_WEIGHT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Drains or disables the server, or lets it take connections again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<AdminState>,
    /// With [`AdminState::Drained`]: seconds after which the connections that are left are reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u32>,
}

/// Something that the configuration file says otherwise than what runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Name of the service.
    pub service: String,
    /// Name of the server, unless the difference is the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The field, like `weight`; empty where the whole service or server is meant.
    pub field: String,
    /// What the file says; absent where it has no such thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What runs; absent where no such thing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
}

/// What is to go back to what the file says; everything if nothing is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetQuery {
    /// Only this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Only this server (name within its service).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}
