use super::{agent::Agent, view::View};
use crate::{
    api::{Control, Refusal},
    config, dataplane,
};
use lb_common::{
    api::{
        ConnectionQuery, Connections, Interface, ReasonCount, Server, ServerChange, Service, Status,
    },
    reason::Reason,
};
use std::time::UNIX_EPOCH;

impl Control for Agent {
    fn status(&mut self) -> Result<Status, Refusal> {
        let services = &self.config.services;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: self.node().to_owned(),
            pid: std::process::id(),
            uptime: self.started.elapsed().as_secs(),
            config: self.options.config.display().to_string(),
            pins: self.dataplane.path().display().to_string(),
            interfaces: self
                .attached
                .iter()
                .map(|attached| Interface {
                    name: attached.interface.clone(),
                    attached: attached.mode,
                })
                .collect(),
            services: services.len(),
            servers: services.iter().map(|service| service.servers.len()).sum(),
            warnings: self.warnings(),
        })
    }

    fn services(&mut self) -> Result<Vec<Service>, Refusal> {
        let view = View::new(self)?;
        self.config.services.iter().map(|service| view.service(service)).collect()
    }

    fn service(&mut self, service: &str) -> Result<Service, Refusal> {
        View::new(self)?.service(find_service(self, service)?)
    }

    fn change_server(
        &mut self,
        service: &str,
        server: &str,
        change: ServerChange,
    ) -> Result<Server, Refusal> {
        find_server(find_service(self, service)?, server)?;
        let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        let edits = self.store.edits().change_server(service, server, change, now)?;
        let edits = edits.prune(&self.file);
        let config = edits.apply(&self.file).config;
        let ops = self.plan(&config).map_err(|error| Refusal::Conflict(error.to_string()))?;
        self.store.save(edits)?;
        self.config = config;
        self.apply(&ops)
            .map_err(|error| Refusal::Failed(format!("kept, but not in force yet: {error:#}")))?;
        let service = find_service(self, service)?;
        View::new(self)?.server(service, find_server(service, server)?)
    }

    fn add_service(&mut self, _definition: &[u8]) -> Result<lb_common::api::Service, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn remove_service(&mut self, _service: &str) -> Result<(), Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn add_server(
        &mut self,
        _service: &str,
        _definition: &[u8],
    ) -> Result<lb_common::api::Server, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn server(
        &mut self,
        _service: &str,
        _server: &str,
    ) -> Result<lb_common::api::ServerDetail, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn remove_server(&mut self, _service: &str, _server: &str) -> Result<(), Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn change_host(
        &mut self,
        _address: std::net::IpAddr,
        _change: lb_common::api::ServerChange,
    ) -> Result<Vec<lb_common::api::Server>, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn reload(
        &mut self,
        _reply: tokio::sync::oneshot::Sender<Result<Vec<lb_common::api::Problem>, Refusal>>,
    ) {
    }

    fn config(&mut self) -> Result<String, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn diff(&mut self) -> Result<Vec<lb_common::api::Difference>, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn reset(
        &mut self,
        _query: &lb_common::api::ResetQuery,
    ) -> Result<Vec<lb_common::api::Difference>, Refusal> {
        Err(Refusal::Failed(String::new()))
    }

    fn connections(&mut self, query: &ConnectionQuery) -> Result<Connections, Refusal> {
        let service = query.service.as_deref().map(|name| find_service(self, name)).transpose()?;
        let server = match (service, &query.server) {
            (_, None) => None,
            (Some(service), Some(name)) => Some(find_server(service, name)?),
            (None, Some(_)) => {
                let message = "a server's name is unique within its service only: name that too";
                return Err(Refusal::Malformed(message.to_owned()));
            }
        };
        View::new(self)?.connections(service, server, query.limit)
    }

    fn reasons(&mut self) -> Result<Vec<ReasonCount>, Refusal> {
        let reasons = Reason::ALL.iter().map(|&reason| {
            Ok(ReasonCount {
                reason: reason.name().to_owned(),
                outcome: reason.outcome().word().to_owned(),
                words: reason.words().to_owned(),
                packets: self.dataplane.reason(reason)?,
            })
        });
        reasons.collect()
    }

    fn detach(&mut self) -> Result<(), Refusal> {
        Agent::detach(self).map_err(|error| Refusal::Failed(format!("{error:#}")))
    }
}

impl From<dataplane::Error> for Refusal {
    fn from(error: dataplane::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

fn find_service<'a>(agent: &'a Agent, name: &str) -> Result<&'a config::Service, Refusal> {
    let services = &agent.config.services;
    agent.config.service(name).map(|service| &**service).ok_or_else(|| {
        Refusal::unknown("service", name, services.iter().map(|service| service.name.as_str()))
    })
}

fn find_server<'a>(
    service: &'a config::Service,
    name: &str,
) -> Result<&'a config::Server, Refusal> {
    let servers = &service.servers;
    service.server(name).ok_or_else(|| {
        let kind = format!("server of {}", service.name);
        Refusal::unknown(&kind, name, servers.iter().map(|server| server.name.as_str()))
    })
}
