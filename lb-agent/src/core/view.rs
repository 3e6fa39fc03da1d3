use super::{
    agent::Agent,
    running::{target, unix_time},
};
use crate::{
    api::Refusal,
    config, dataplane,
    desired::{self, Way},
    standing::Standing,
    sweep::Counts,
};
use lb_common::{
    abi::{self, Flow, FlowKey, direction, protocol, state as flow_state},
    api::{
        Connection, Connections, NextHop, Protocol, Server, ServerDetail, ServerState, Service,
        Stats,
    },
};
use std::{
    borrow::Cow,
    cell::OnceCell,
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// How many connections are listed if the query doesn't say.
const LISTED: usize = 1000;

/// A look at all flows that takes no longer may be had for each request.
const QUICK: Duration = Duration::from_millis(10);

/// The agent's state in the terms of the control API.
pub(super) struct View<'a> {
    agent: &'a Agent,
    /// The data plane's clock.
    now: u32,
    /// Connections, counted now where that is quick.
    counts: Cow<'a, Counts>,
    /// Seconds since 1970.
    wall: u64,
    /// The services of the configuration file by name, once they are needed.
    file: OnceCell<HashMap<&'a str, &'a config::Service>>,
}

impl<'a> View<'a> {
    pub(super) fn new(agent: &'a Agent) -> Result<Self, Refusal> {
        let now = dataplane::now().map_err(|error| Refusal::Failed(error.to_string()))?;
        Ok(Self {
            agent,
            now,
            counts: match agent.look.took {
                took if took < QUICK => Cow::Owned(Counts::take(&agent.flows, now)?),
                _ => Cow::Borrowed(&agent.look.counts),
            },
            wall: unix_time(),
            file: OnceCell::new(),
        })
    }

    pub(super) fn services(&self) -> Result<Vec<Service>, Refusal> {
        (0..self.agent.running.config.services.len()).map(|place| self.service(place)).collect()
    }

    pub(super) fn service(&self, place: usize) -> Result<Service, Refusal> {
        let service = &self.agent.running.config.services[place];
        let servers = service.members().map(|server| self.server(place, server));
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

    /// One of the members of the service in this place.
    pub(super) fn server(&self, place: usize, server: &config::Server) -> Result<Server, Refusal> {
        let service = &self.agent.running.config.services[place];
        let way = self.agent.way(service, server);
        let standing = self.standing(place, server);
        let index = self.agent.index(service, server);
        let until = self.agent.edits.deadline(&service.name, &server.name);
        Ok(Server {
            name: server.name.clone(),
            service: service.name.clone(),
            address: server.address,
            weight: server.weight,
            configured_weight: self.configured(place, server).map(|server| server.weight),
            state: way.state(standing.map_or(ServerState::Checking, |standing| standing.state)),
            admin: server.admin,
            deadline: until.map(|until| until.saturating_sub(self.wall)),
            health: self.agent.verdict(service, server),
            backup: server.backup,
            fallback: service.fallback.as_ref().is_some_and(|one| one.name == server.name),
            max_connections: server.max_connections,
            next_hop: match way {
                Way::Via(via) => Some(NextHop {
                    interface: via.interface.clone(),
                    gateway: via.gateway,
                    mac: via.next_hop_mac.map(mac),
                }),
                Way::Unknown | Way::Local | Way::Unusable(_) => None,
            },
            active: self.agent.active(&self.counts, service, server),
            stats: match index {
                Some(index) => stats(self.agent.dataplane.server_stats(index)?),
                None => Stats::default(),
            },
        })
    }

    pub(super) fn detail(
        &self,
        place: usize,
        server: &config::Server,
    ) -> Result<ServerDetail, Refusal> {
        let service = &self.agent.running.config.services[place];
        let target = target(service, server);
        Ok(ServerDetail {
            server: self.server(place, server)?,
            history: target.and_then(|target| self.agent.checks.health(&target)),
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
            .running
            .config
            .services
            .iter()
            .map(|one| &**one)
            .filter(|one| service.is_none_or(|wanted| wanted.name == one.name));
        let servers: HashMap<u32, (&config::Service, &config::Server)> = services
            .flat_map(|service| service.members().map(move |server| (service, server)))
            .filter(|(_, one)| server.is_none_or(|wanted| wanted.name == one.name))
            .filter_map(|(service, server)| {
                Some((self.agent.index(service, server)?, (service, server)))
            })
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
        self.agent.flows.visit(self.now, |key, flow| {
            let server = servers.get(flow.server as usize);
            if flow.direction == direction::REQUEST
                && server.is_some_and(|server| server.generation == flow.generation)
            {
                each(key, flow);
            }
        })
    }

    /// How a member of a service stands.
    fn standing(&self, place: usize, server: &config::Server) -> Option<&Standing> {
        let service = &self.agent.running.config.services[place];
        let position = service.members().position(|member| member.name == server.name)?;
        self.agent.running.standings(place).get(position)
    }

    /// What the file says of a server.
    fn configured(&self, place: usize, server: &config::Server) -> Option<&config::Server> {
        let name = self.agent.running.config.services[place].name.as_str();
        let services = &self.agent.running.file.services;
        // Most are where they are in the file.
        let service = match services.get(place).filter(|service| service.name == name) {
            Some(service) => &**service,
            None => {
                let by_name = || services.iter().map(|one| (one.name.as_str(), &**one)).collect();
                self.file.get_or_init(by_name).get(name)?
            }
        };
        service.members().find(|one| one.name == server.name)
    }

    fn id(&self, service: &config::Service) -> Option<u32> {
        self.agent.observed.services.get(&desired::key(service)).map(|entry| entry.id)
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
            flow_state::SYN => "syn",
            flow_state::NEW => "new",
            flow_state::FIN => "fin",
            flow_state::CLOSED => "closed",
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
