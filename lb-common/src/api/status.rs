use super::AttachMode;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What the agent is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// Name of this director.
    pub node: String,
    /// Process id of the agent.
    pub pid: u32,
    /// Seconds since the agent started.
    pub uptime: u64,
    /// The configuration file.
    pub config: String,
    /// Folder of the pinned program and maps.
    pub pins: String,
    /// Interfaces with the program on them.
    pub interfaces: Vec<Interface>,
    /// Services configured.
    pub services: usize,
    /// Servers configured, over all services.
    pub servers: usize,
    /// What an operator should look at, in words.
    pub warnings: Vec<String>,
}

/// An interface with the XDP program on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// How the program is attached.
    pub attached: AttachMode,
}

/// A reason for which packets left the data plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonCount {
    /// Its stable name.
    pub reason: String,
    /// What became of the packets: [`word`](crate::reason::Outcome::word) of an outcome.
    pub outcome: String,
    /// The reason in words.
    pub words: String,
    /// Packets since the data plane was loaded.
    pub packets: u64,
}
