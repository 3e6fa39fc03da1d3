use crate::health::check::Check;
use lb_common::abi::Timeouts;
use lb_common::api::{AdminState, Mode, OnDown, Protocol, Scheduler};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A valid configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Names of the interfaces that get the XDP program.
    pub interfaces: Vec<String>,
    /// Sizes of the maps.
    pub limits: Limits,
    /// The group that may use the control socket, beside root; none: root alone.
    pub group: Option<String>,
    /// Whether the file is read again when it changes.
    pub autoreload: bool,
    /// The services, in the file's order; names are unique, and so are (address, protocol).
    /// Shared, so that a configuration is cheap to copy but for what changes.
    pub services: Vec<Arc<Service>>,
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
    /// Whether, and for how long, a client's next connections go to the same server.
    pub persist: Option<Persist>,
    /// What decides whether its servers are up; without it they always are.
    pub check: Option<Arc<Check>>,
    /// What becomes of the connections of a server that goes down.
    pub on_down: OnDown,
    /// For how long a server that has come up gets less than its weight; zero: not at all.
    pub slow_start: Duration,
    /// Who serves when no server does; may be this director. Its name is [`FALLBACK`].
    pub fallback: Option<Server>,
    /// Its servers, in the file's order; names and addresses are unique within the service.
    pub servers: Vec<Server>,
}

/// Persistence, as ipvsadm's `--persistent` and `--netmask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persist {
    /// Seconds after a client's last packet.
    pub timeout: u32,
    /// Clients whose addresses share so many leading bits count as one; at most 32 for an IPv4
    /// service, else at most 128.
    pub prefix: u8,
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
    /// What its operator wants of it.
    pub admin: AdminState,
    /// Whether it serves only while no other server does.
    pub backup: bool,
    /// How many connections it takes at a time; none: any number.
    pub max_connections: Option<u32>,
    /// What decides whether it is up.
    pub check: ServerCheck,
}

impl Server {
    /// A server with nothing special about it.
    pub fn new(name: impl Into<String>, address: SocketAddr, weight: u32) -> Self {
        Self {
            name: name.into(),
            address,
            weight,
            admin: AdminState::Enabled,
            backup: false,
            max_connections: None,
            check: ServerCheck::Service,
        }
    }

    /// The weight that its operator lets it have: 0 unless it is enabled.
    pub fn weight_in_force(&self) -> u32 {
        match self.admin {
            AdminState::Enabled => self.weight,
            AdminState::Drained | AdminState::Disabled => 0,
        }
    }
}

/// Which check a server has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServerCheck {
    /// Its service's.
    #[default]
    Service,
    /// None: it is always up.
    Off,
    /// One of its own.
    Own(Arc<Check>),
}

/// Name of a service's fallback, which no server of a list may have.
pub const FALLBACK: &str = "fallback";

impl Config {
    /// The service of a name.
    pub fn service(&self, name: &str) -> Option<&Arc<Service>> {
        self.services.iter().find(|service| service.name == name)
    }
}

impl Persist {
    /// The longest prefix that the addresses of a service's clients have: of the whole address.
    pub fn longest_prefix(service: SocketAddr) -> u8 {
        if service.is_ipv4() { 32 } else { 128 }
    }
}

impl Service {
    /// A service of TCP over direct routing without servers, and with nothing special about it.
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
            protocol: Protocol::Tcp,
            mode: Mode::Dr,
            scheduler: Scheduler::Wrr,
            hash_port: false,
            timeouts: Timeouts::DEFAULT,
            table_size: None,
            persist: None,
            check: None,
            on_down: OnDown::default(),
            slow_start: Duration::ZERO,
            fallback: None,
            servers: Vec::new(),
        }
    }

    /// Its servers, and its fallback at the end.
    pub fn members(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().chain(&self.fallback)
    }

    /// The server of a name in its list.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// The check of one of its servers, if it has any.
    pub fn check_of<'a>(&'a self, server: &'a Server) -> Option<&'a Arc<Check>> {
        match &server.check {
            ServerCheck::Service => self.check.as_ref(),
            ServerCheck::Off => None,
            ServerCheck::Own(check) => Some(check),
        }
    }
}
