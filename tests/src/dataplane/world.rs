use lb_common::abi::{
    Address, Flow, FlowKey, Link, Select, Server, Service, ServiceKey, Sources, Timeouts, mode,
    protocol, service_flags,
};
use lb_common::datapath::{FlowTable, Route};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Index of the interface that frames come in by: the loopback interface, which is what
/// BPF_PROG_TEST_RUN uses.
pub const INGRESS: u32 = 1;

/// Content of the maps, and the routes.
#[derive(Clone)]
pub struct World {
    /// By address, port and protocol.
    pub services: Vec<(ServiceKey, Service)>,
    /// By index.
    pub servers: Vec<Server>,
    /// Server indexes.
    pub slots: Vec<u32>,
    /// Live connections, by server index; 0 for those beyond.
    pub loads: Vec<i64>,
    /// Ends of NAT servers.
    pub sources: Sources,
    /// By interface index.
    pub links: BTreeMap<u32, Link>,
    /// Flows that are there already.
    pub flows: Vec<(FlowTable, FlowKey, Flow)>,
    /// ICMP errors that a CPU may send in a second.
    pub answers_per_second: u32,
    /// What the host build's routing table answers; the kernel has one of its own.
    pub routes: BTreeMap<IpAddr, Route>,
}

impl World {
    /// Nothing at all.
    pub fn empty() -> Self {
        Self {
            services: Vec::new(),
            servers: Vec::new(),
            slots: Vec::new(),
            loads: Vec::new(),
            sources: Sources::EMPTY,
            links: BTreeMap::new(),
            flows: Vec::new(),
            answers_per_second: u32::MAX,
            routes: BTreeMap::new(),
        }
    }

    /// A service without slots yet, with LVS's timeouts. Its connections are counted if the way to
    /// select wants it.
    pub fn service(id: u32, select: Select) -> Service {
        Service {
            id,
            table: 0,
            slots: 0,
            select: select as u8,
            flags: if Select::compares(select as u8) { service_flags::COUNTED } else { 0 },
            persist_prefix: 0,
            pad: 0,
            timeouts: Timeouts::DEFAULT,
            persist: 0,
        }
    }

    /// Adds a service whose slots are the indexes of `servers`, one each, in this order.
    pub fn add_service(&mut self, key: ServiceKey, service: Service, servers: &[Server]) {
        let table = self.slots.len() as u32;
        for server in servers {
            let index = self.servers.len() as u32;
            self.slots.push(index);
            self.servers.push(Server { service: service.id, ..*server });
            if server.mode == mode::NAT {
                self.sources.insert(&server.address, server.port, key.protocol);
            }
        }
        self.services.push((key, Service { table, slots: servers.len() as u32, ..service }));
    }

    /// Adds the entry for fragments of a service that was added.
    pub fn add_fragments(&mut self, key: &ServiceKey, flags: u8) {
        let found = self.services.iter().find(|(other, _)| other == key);
        let service = found.expect("the service was added").1;
        let flags = service.flags | flags;
        self.services.push((key.for_fragments(), Service { flags, ..service }));
    }

    /// The key of a service by text: `tcp 192.0.2.1:80`.
    pub fn key(text: &str) -> ServiceKey {
        let (protocol, address) = text.split_once(' ').expect("protocol and address");
        let address: std::net::SocketAddr = address.parse().expect("an address with a port");
        let protocol = match protocol {
            "tcp" => protocol::TCP,
            "udp" => protocol::UDP,
            other => panic!("no protocol {other}"),
        };
        ServiceKey::new(Address::from(address.ip()), address.port().to_be(), protocol)
    }
}
