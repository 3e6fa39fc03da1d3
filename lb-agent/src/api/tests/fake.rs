//! A core that only remembers.

use super::*;
use lb_common::api::{
    AdminState, ConnectionQuery, Connections, Difference, Mode, Problem, Protocol, ReasonCount,
    ResetQuery, Scheduler, ServerChange, ServerDetail, ServerState, Service, Stats, Status,
};
use std::net::IpAddr;

/// Has the services `web` (servers `a` and `b/c`) and `a b` (none) at first.
pub(super) struct FakeCore {
    services: Vec<Service>,
    /// Refuses a reload at once, if set; else nobody answers it.
    pub(super) reload: Option<Refusal>,
    detached: bool,
}

impl Default for FakeCore {
    fn default() -> Self {
        let web =
            Service { servers: vec![server("web", "a"), server("web", "b/c")], ..empty("web") };
        Self { services: vec![web, empty("a b")], reload: None, detached: false }
    }
}

impl FakeCore {
    fn find(&mut self, name: &str) -> Result<&mut Service, Refusal> {
        let names: Vec<_> = self.services.iter().map(|service| service.name.clone()).collect();
        self.services
            .iter_mut()
            .find(|service| service.name == name)
            .ok_or_else(|| Refusal::unknown("service", name, names.iter().map(String::as_str)))
    }

    fn find_server(&mut self, service: &str, name: &str) -> Result<&mut api::Server, Refusal> {
        let known = &mut self.find(service)?.servers;
        let names: Vec<_> = known.iter().map(|server| server.name.clone()).collect();
        known.iter_mut().find(|server| server.name == name).ok_or_else(|| {
            let kind = format!("server of {service}");
            Refusal::unknown(&kind, name, names.iter().map(String::as_str))
        })
    }
}

impl Control for FakeCore {
    fn status(&mut self) -> Result<Status, Refusal> {
        Ok(Status {
            version: "1".to_owned(),
            node: "lb1".to_owned(),
            pid: 1,
            uptime: 2,
            config: String::new(),
            pins: String::new(),
            interfaces: vec![],
            services: 2,
            servers: 2,
            warnings: vec![],
        })
    }

    fn services(&mut self) -> Result<Vec<Service>, Refusal> {
        Ok(self.services.clone())
    }

    fn service(&mut self, service: &str) -> Result<Service, Refusal> {
        self.find(service).cloned()
    }

    fn change_server(
        &mut self,
        service: &str,
        server: &str,
        change: ServerChange,
    ) -> Result<api::Server, Refusal> {
        let server = self.find_server(service, server)?;
        if change == ServerChange::default() {
            return Err(Refusal::Invalid("nothing to change".to_owned()));
        }
        server.weight = change.weight.unwrap_or(server.weight);
        server.admin = change.admin.unwrap_or(server.admin);
        server.deadline = change.deadline.map(u64::from);
        Ok(server.clone())
    }

    fn add_service(&mut self, definition: &[u8]) -> Result<Service, Refusal> {
        let name = String::from_utf8_lossy(definition);
        self.services.push(empty(&name));
        Ok(empty(&name))
    }

    fn remove_service(&mut self, service: &str) -> Result<(), Refusal> {
        self.find(service)?;
        self.services.retain(|known| known.name != service);
        Ok(())
    }

    fn add_server(&mut self, service: &str, definition: &[u8]) -> Result<api::Server, Refusal> {
        let added = server(service, &String::from_utf8_lossy(definition));
        self.find(service)?.servers.push(added.clone());
        Ok(added)
    }

    fn server(&mut self, service: &str, server: &str) -> Result<ServerDetail, Refusal> {
        let server = self.find_server(service, server)?.clone();
        Ok(ServerDetail { server, history: None })
    }

    fn remove_server(&mut self, service: &str, server: &str) -> Result<(), Refusal> {
        self.find_server(service, server)?;
        self.find(service)?.servers.retain(|known| known.name != server);
        Ok(())
    }

    fn change_host(
        &mut self,
        address: IpAddr,
        change: ServerChange,
    ) -> Result<Vec<api::Server>, Refusal> {
        let here = self
            .services
            .iter()
            .flat_map(|service| &service.servers)
            .filter(|server| server.address.ip() == address)
            .map(|server| (server.service.clone(), server.name.clone()))
            .collect::<Vec<_>>();
        here.iter().map(|(service, server)| self.change_server(service, server, change)).collect()
    }

    fn reload(&mut self, reply: oneshot::Sender<Result<Vec<Problem>, Refusal>>) {
        match self.reload.clone() {
            Some(refusal) => reply.send(Err(refusal)).unwrap_or_default(),
            // Later, as a real one does, and from elsewhere.
            None => {
                tokio::spawn(async { reply.send(Ok(found("lb.yaml", b"four"))) });
            }
        }
    }

    fn config(&mut self) -> Result<String, Refusal> {
        Ok("services: []\n".to_owned())
    }

    fn diff(&mut self) -> Result<Vec<Difference>, Refusal> {
        self.reset(&ResetQuery::default())
    }

    /// Says what it was asked for.
    fn reset(&mut self, query: &ResetQuery) -> Result<Vec<Difference>, Refusal> {
        Ok(vec![Difference {
            service: query.service.clone().unwrap_or_default(),
            server: query.server.clone(),
            field: "weight".to_owned(),
            file: Some("1".to_owned()),
            running: None,
        }])
    }

    fn connections(&mut self, query: &ConnectionQuery) -> Result<Connections, Refusal> {
        Err(Refusal::Failed(format!("{query:?}")))
    }

    fn reasons(&mut self) -> Result<Vec<ReasonCount>, Refusal> {
        Ok(vec![])
    }

    fn detach(&mut self) -> Result<(), Refusal> {
        if self.detached {
            return Err(Refusal::Conflict("detached already".to_owned()));
        }
        self.detached = true;
        Ok(())
    }
}

fn empty(name: &str) -> Service {
    Service {
        name: name.to_owned(),
        address: ([192, 0, 2, 1], 80).into(),
        protocol: Protocol::Tcp,
        mode: Mode::Dr,
        scheduler: Scheduler::Rr,
        stats: Stats::default(),
        servers: vec![],
    }
}

fn server(service: &str, name: &str) -> api::Server {
    api::Server {
        name: name.to_owned(),
        service: service.to_owned(),
        address: ([192, 0, 2, 2], 80).into(),
        weight: 7,
        configured_weight: Some(7),
        state: ServerState::Up,
        admin: AdminState::Enabled,
        deadline: None,
        health: None,
        backup: false,
        fallback: false,
        max_connections: None,
        next_hop: None,
        active: 0,
        stats: Stats::default(),
    }
}
