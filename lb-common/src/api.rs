//! The control API: HTTP/1.1 with JSON bodies over a unix socket.
//!
//! | method and path | body | answer |
//! | --- | --- | --- |
//! | `GET /v1/status` | | [`Status`] |
//! | `GET /v1/services` | | list of [`Service`] |
//! | `GET /v1/services/{service}` | | [`Service`] |
//! | `PATCH /v1/services/{service}/servers/{server}` | [`ServerChange`] | [`Server`] |
//! | `GET /v1/connections` | [`ConnectionQuery`] as the query | [`Connections`] |
//! | `GET /v1/reasons` | | list of [`ReasonCount`], all reasons |
//! | `POST /v1/check?path=NAME` | a configuration file | list of [`Problem`], empty if it is good |
//! | `POST /v1/detach` | | nothing: the data plane is taken down and the agent ends |
//!
//! Every other status than 2xx carries an [`Error`].

use alloc::{format, string::String, vec::Vec};
use core::net::{IpAddr, SocketAddr};
use serde::{Deserialize, Serialize};

/// Where the agent listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/lb/agent.sock";

/// Largest configuration file, and so the largest body of `POST /v1/check`, in bytes.
pub const MAX_CHECK: usize = 16 << 20;

/// Largest weight of a server.
pub const MAX_WEIGHT: u32 = 1000;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// In words: what was wrong and what would be right.
    pub error: String,
}

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
    Scheduler: Rr "rr", Wrr "wrr", Sh "sh", Mh "mh";
    ServerState: Up "up", Drained "drained", Unresolved "unresolved", Unreachable "unreachable", Local "local";
}

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
    /// The weight in force: 0 takes no new connections.
    pub weight: u32,
    /// The weight in the configuration file.
    pub configured_weight: u32,
    /// Whether it takes new connections, and if not, why.
    pub state: ServerState,
    /// The neighbour that frames for it are sent to, once it is known.
    pub next_hop: Option<NextHop>,
    /// Flows that are live now.
    pub active: u64,
    /// Totals since the server was added.
    pub stats: Stats,
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

/// Whether a server takes new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerState {
    /// It does.
    Up,
    /// Its weight is 0: the flows it has go on.
    Drained,
    /// The link-layer address of its next hop is not known.
    Unresolved,
    /// There is no usable route to it.
    Unreachable,
    /// It is this director.
    Local,
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

/// A change of one server. What is absent stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerChange {
    /// A new weight, at most [`MAX_WEIGHT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// `true` drains the server; `false` lets it take connections again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<bool>,
}

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

/// What is wrong in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file as it was named.
    pub file: String,
    /// From 1; 0 where the problem is the file as a whole.
    pub line: u64,
    /// From 1; 0 where the problem is the file as a whole.
    pub column: u64,
    /// Path of the field, like `services[0].servers[1].weight`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    /// A file is larger than [`MAX_CHECK`].
    pub fn too_large(file: &str) -> Self {
        let size = MAX_CHECK >> 20;
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            field: String::new(),
            message: format!("larger than {size} MiB, which no configuration is"),
        }
    }
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}
