use super::{AdminState, Health, Mode, Protocol, Scheduler, ServerState, Verdict};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use serde::{Deserialize, Serialize};

/// A service and its servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name in the configuration.
    pub name: String,
    /// The virtual address and port.
    pub address: SocketAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// How packets reach its servers.
    pub mode: Mode,
    /// How a server is chosen.
    pub scheduler: Scheduler,
    /// Totals since the service was added.
    pub stats: Stats,
    /// Its servers, in the order of the configuration.
    pub servers: Vec<Server>,
}

/// A server of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its name in the configuration.
    pub name: String,
    /// The service that it belongs to.
    pub service: String,
    /// Its address and port.
    pub address: SocketAddr,
    /// The weight that its operator gives it: 0 takes no new connections.
    pub weight: u32,
    /// The weight in the configuration file; none if the server isn't in there.
    pub configured_weight: Option<u32>,
    /// Whether it takes new connections, and if not, why.
    pub state: ServerState,
    /// What its operator wants of it.
    pub admin: AdminState,
    /// Seconds until a drain resets what is left, where it has a deadline.
    pub deadline: Option<u64>,
    /// What its check says; none if it isn't checked.
    pub health: Option<Verdict>,
    /// Whether it serves only while no other does.
    pub backup: bool,
    /// Whether it is the service's fallback, which serves when nobody else does.
    pub fallback: bool,
    /// How many connections it takes at a time, where that is limited.
    pub max_connections: Option<u32>,
    /// The neighbour that frames for it are sent to, once it is known.
    pub next_hop: Option<NextHop>,
    /// Flows that are live now.
    pub active: u64,
    /// Totals since the server was added.
    pub stats: Stats,
}

/// A server, with what its check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerDetail {
    /// The server.
    #[serde(flatten)]
    pub server: Server,
    /// What its check says; none if it isn't checked.
    pub history: Option<Health>,
}

/// Where frames for a server are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHop {
    /// Name of the interface.
    pub interface: String,
    /// The gateway, where the server is behind one.
    pub gateway: Option<IpAddr>,
    /// The link-layer address as `aa:bb:cc:dd:ee:ff`, once it is known.
    pub mac: Option<String>,
}

/// Totals; bytes are IP packets without link-layer headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Connections begun.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Packets to clients that passed the director (NAT only).
    pub packets_out: u64,
    /// Bytes to clients that passed the director (NAT only).
    pub bytes_out: u64,
}
