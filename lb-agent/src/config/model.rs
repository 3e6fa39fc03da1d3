use lb_common::abi::Timeouts;
use lb_common::api::{Mode, Protocol, Scheduler};
use std::net::SocketAddr;

/// A valid configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Names of the interfaces that get the XDP program.
    pub interfaces: Vec<String>,
    /// Sizes of the maps.
    pub limits: Limits,
    /// The services, in the file's order; names are unique, and so are (address, protocol).
    pub services: Vec<Service>,
}

/// How much the maps hold. They are sized when the data plane is loaded first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Services.
    pub services: u32,
    /// Servers, summed over the services.
    pub servers: u32,
    /// Slots of the schedulers' tables, summed over the services.
    pub slots: u32,
    /// Flows of more than one packet. With NAT a connection takes two.
    pub flows: u32,
    /// Flows of which one packet has come. With NAT a connection takes two.
    pub half_open: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            services: 1 << 12,
            servers: 1 << 14,
            slots: 1 << 22,
            flows: 1 << 18,
            half_open: 1 << 16,
        }
    }
}

/// A service: where clients connect to, and who serves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The virtual address and port.
    pub address: SocketAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// How packets reach the servers.
    pub mode: Mode,
    /// How a server is chosen.
    pub scheduler: Scheduler,
    /// Whether a hash scheduler looks at the client's port too (ipvsadm's `sh-port`, `mh-port`).
    pub hash_port: bool,
    /// When flows are forgotten.
    pub timeouts: Timeouts,
    /// Slots of the Maglev table: a prime. By default chosen by the number of servers.
    pub table_size: Option<u32>,
    /// Its servers, in the file's order; names and addresses are unique within the service.
    pub servers: Vec<Server>,
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name, of the same letters as a service's.
    pub name: String,
    /// Where it listens. Of the service's family with `nat` and `dr`; with `tunnel` the inner
    /// packet keeps the virtual address, so an IPv4 service may have IPv6 servers.
    pub address: SocketAddr,
    /// At most [`MAX_WEIGHT`](lb_common::api::MAX_WEIGHT); 0 takes no new connections.
    pub weight: u32,
}
