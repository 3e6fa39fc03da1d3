use super::agent::Agent;
use crate::{
    api::Refusal,
    config, dataplane,
    desired::{self, Way},
    plan::ServerIdentity,
};
use lb_common::{
    abi::{self, Flow, FlowKey, direction, protocol, state},
    api::{Connection, Connections, NextHop, Protocol, Server, Service, Stats},
};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

/// How many connections are listed if the query doesn't say.
const LISTED: usize = 1000;

/// The agent's state in the terms of the control API.
pub(super) struct View<'a> {
    agent: &'a Agent,
    /// Places in the servers map.
    indexes: HashMap<ServerIdentity, u32>,
    /// The data plane's clock.
    now: u32,
    /// Live flows from clients, by place in the servers map.
    active: HashMap<u32, u64>,
}

impl<'a> View<'a> {
    pub(super) fn new(agent: &'a Agent) -> Result<Self, Refusal> {
        let mut view = Self {
            agent,
            indexes: agent.observed.indexes(),
            now: dataplane::now().map_err(|error| Refusal::Failed(error.to_string()))?,
            active: HashMap::new(),
        };
        let mut active = HashMap::new();
        view.visit_flows(|_, flow| *active.entry(flow.server).or_default() += 1)?;
        view.active = active;
        Ok(view)
    }

    pub(super) fn service(&self, service: &config::Service) -> Result<Service, Refusal> {
        let servers = service.servers.iter().map(|server| self.server(service, server));
        Ok(Service {
            name: service.name.clone(),
            address: service.address,
            protocol: service.protocol,
            mode: service.mode,
            scheduler: service.scheduler,
            stats: match self.id(service) {
                Some(id) => stats(self.agent.dataplane.service_stats(id)?),
                None => Stats::default(),
            },
            servers: servers.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn server(
        &self,
        service: &config::Service,
        server: &config::Server,
    ) -> Result<Server, Refusal> {
        let way = self.agent.way(service, server);
        let weight = server.weight_in_force();
        let configured = self.agent.file.service(&service.name);
        let index = self.index(service, server);
        Ok(Server {
            name: server.name.clone(),
            service: service.name.clone(),
            address: server.address,
            weight,
            configured_weight: configured
                .and_then(|service| service.server(&server.name))
                .map(|server| server.weight),
            admin: server.admin,
            deadline: None,
            health: None,
            backup: server.backup,
            fallback: false,
            max_connections: server.max_connections,
            state: desired::state(weight, &way),
            next_hop: match way {
                Way::Via(via) => Some(NextHop {
                    interface: via.interface.clone(),
                    gateway: via.gateway,
                    mac: via.next_hop_mac.map(mac),
                }),
                Way::Unknown | Way::Local | Way::Unusable(_) => None,
            },
            active: index.and_then(|index| self.active.get(&index).copied()).unwrap_or(0),
            stats: match index {
                Some(index) => stats(self.agent.dataplane.server_stats(index)?),
                None => Stats::default(),
            },
        })
    }

    /// The flows of one server, of one service or of all, the clients in order.
    pub(super) fn connections(
        &self,
        service: Option<&config::Service>,
        server: Option<&config::Server>,
        limit: Option<usize>,
    ) -> Result<Connections, Refusal> {
        let limit = limit.unwrap_or(LISTED);
        let services = self
            .agent
            .config
            .services
            .iter()
            .map(|one| &**one)
            .filter(|one| service.is_none_or(|wanted| wanted.name == one.name));
        let servers: HashMap<u32, (&config::Service, &config::Server)> = services
            .flat_map(|service| service.servers.iter().map(move |server| (service, server)))
            .filter(|(_, one)| server.is_none_or(|wanted| wanted.name == one.name))
            .filter_map(|(service, server)| Some((self.index(service, server)?, (service, server))))
            .collect();

        let mut found = Connections::default();
        self.visit_flows(|key, flow| {
            if let Some((service, server)) = servers.get(&flow.server) {
                found.total += 1;
                if found.connections.len() < limit {
                    found.connections.push(connection(service, server, key, flow, self.now));
                }
            }
        })?;
        found.connections.sort_by_key(|one| (one.client, one.address));
        Ok(found)
    }

    /// Visits the live flows from clients whose server is still the same.
    fn visit_flows(&self, mut each: impl FnMut(&FlowKey, &Flow)) -> Result<(), dataplane::Error> {
        let servers = &self.agent.observed.servers;
        self.agent.dataplane.visit_flows(self.now, |key, flow| {
            let server = servers.get(flow.server as usize);
            if flow.direction == direction::REQUEST
                && server.is_some_and(|server| server.generation == flow.generation)
            {
                each(key, flow);
            }
        })
    }

    fn id(&self, service: &config::Service) -> Option<u32> {
        self.agent.observed.services.get(&desired::key(service)).map(|entry| entry.id)
    }

    fn index(&self, service: &config::Service, server: &config::Server) -> Option<u32> {
        let address = server.address.ip().into();
        let identity = (self.id(service)?, address, server.address.port().to_be());
        self.indexes.get(&identity).copied()
    }
}

fn connection(
    service: &config::Service,
    server: &config::Server,
    key: &FlowKey,
    flow: &Flow,
    now: u32,
) -> Connection {
    // Another CPU may have seen a later second.
    let idle = now.saturating_sub(flow.seen);
    Connection {
        protocol: match key.protocol {
            protocol::UDP => Protocol::Udp,
            _ => Protocol::Tcp,
        },
        client: end(key.source, key.source_port),
        address: end(key.destination, key.destination_port),
        service: service.name.clone(),
        server: server.name.clone(),
        server_address: server.address,
        state: match flow.state {
            state::SYN => "syn",
            state::NEW => "new",
            state::FIN => "fin",
            state::CLOSED => "closed",
            _ => "established",
        }
        .to_owned(),
        idle,
        expires: flow.timeout.saturating_sub(idle),
    }
}

fn end(address: abi::Address, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from(address), u16::from_be(port))
}

fn mac(octets: [u8; 6]) -> String {
    octets.map(|octet| format!("{octet:02x}")).join(":")
}

fn stats(counted: abi::Stats) -> Stats {
    let abi::Stats { connections, packets_in, bytes_in, packets_out, bytes_out } = counted;
    Stats { connections, packets_in, bytes_in, packets_out, bytes_out }
}
