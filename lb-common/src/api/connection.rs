use super::Protocol;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// Which connections to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionQuery {
    /// Only of this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Only of this server (name within its service).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// At most so many; 1000 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// The answer to a [`ConnectionQuery`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// How many matched.
    pub total: usize,
    /// Those listed.
    pub connections: Vec<Connection>,
}

/// A live flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The client.
    pub client: SocketAddr,
    /// The virtual address and port.
    pub address: SocketAddr,
    /// Name of the service.
    pub service: String,
    /// Name of the server.
    pub server: String,
    /// Where the flow goes.
    pub server_address: SocketAddr,
    /// `syn`, `new`, `established`, `fin` or `closed`.
    pub state: String,
    /// Seconds since its last packet.
    pub idle: u32,
    /// Seconds until it is forgotten if nothing comes.
    pub expires: u32,
}
