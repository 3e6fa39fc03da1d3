use super::{agent::Agent, reload::Reply, running::unix_time, view::View};
use crate::{
    api::{Control, Refusal},
    config, dataplane,
    state::Edits,
};
use lb_common::{
    api::{
        AdminState, ConnectionQuery, Connections, Difference, EventKind, Interface, Problem,
        ReasonCount, ResetQuery, Server, ServerChange, ServerDetail, Service, Status,
    },
    reason::Reason,
};
use std::net::IpAddr;

impl Control for Agent {
    fn status(&mut self) -> Result<Status, Refusal> {
        let services = &self.running.config.services;
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
        View::new(self)?.services()
    }

    fn service(&mut self, service: &str) -> Result<Service, Refusal> {
        View::new(self)?.service(self.find_service(service)?)
    }

    fn add_service(&mut self, definition: &[u8]) -> Result<Service, Refusal> {
        let service = config::parse_service(definition, &self.running.config).map_err(invalid)?;
        let name = service.name.clone();
        self.commit(self.edits.add_service(service))?;
        self.tell_change(&name, None, "added by an operator".to_owned());
        self.service(&name)
    }

    fn remove_service(&mut self, service: &str) -> Result<(), Refusal> {
        self.find_service(service)?;
        self.commit(self.edits.remove_service(service))?;
        self.tell_change(service, None, "removed by an operator".to_owned());
        Ok(())
    }

    fn add_server(&mut self, service: &str, definition: &[u8]) -> Result<Server, Refusal> {
        let place = self.find_service(service)?;
        let config = &self.running.config;
        let server =
            config::parse_server(definition, &config.services[place], config).map_err(invalid)?;
        let name = server.name.clone();
        self.commit(self.edits.add_server(service, server))?;
        self.tell_change(service, Some(&name), "added by an operator".to_owned());
        self.one_server(service, &name)
    }

    fn server(&mut self, service: &str, server: &str) -> Result<ServerDetail, Refusal> {
        let place = self.find_service(service)?;
        View::new(self)?.detail(place, self.find_server(place, server)?)
    }

    fn remove_server(&mut self, service: &str, server: &str) -> Result<(), Refusal> {
        let place = self.find_service(service)?;
        self.find_server(place, server)?;
        self.commit(self.edits.remove_server(service, server))?;
        self.tell_change(service, Some(server), "removed by an operator".to_owned());
        Ok(())
    }

    fn change_server(
        &mut self,
        service: &str,
        server: &str,
        change: ServerChange,
    ) -> Result<Server, Refusal> {
        let place = self.find_service(service)?;
        self.find_server(place, server)?;
        self.commit(self.edits.change_server(service, server, change, unix_time())?)?;
        self.tell_change(service, Some(server), words(change));
        self.one_server(service, server)
    }

    fn change_host(
        &mut self,
        address: IpAddr,
        change: ServerChange,
    ) -> Result<Vec<Server>, Refusal> {
        let services = &self.running.config.services;
        let servers = services.iter().flat_map(|service| {
            let there = service.servers.iter().filter(|server| server.address.ip() == address);
            there.map(|server| (service.name.clone(), server.name.clone()))
        });
        let servers: Vec<(String, String)> = servers.collect();
        if servers.is_empty() {
            return Err(Refusal::Unknown(format!("no service has a server at {address}")));
        }
        let mut edits = Edits::clone(&self.edits);
        for (service, server) in &servers {
            edits = edits.change_server(service, server, change, unix_time())?;
        }
        self.commit(edits)?;
        for (service, server) in &servers {
            self.tell_change(service, Some(server), words(change));
        }
        servers.iter().map(|(service, server)| self.one_server(service, server)).collect()
    }

    fn reload(&mut self, reply: Reply) {
        self.begin_reload(Some(reply));
    }

    fn config(&mut self) -> Result<String, Refusal> {
        Ok(config::to_yaml(&self.running.config))
    }

    fn diff(&mut self) -> Result<Vec<Difference>, Refusal> {
        Ok(config::diff(&self.running.file, &self.running.config))
    }

    fn reset(&mut self, query: &ResetQuery) -> Result<Vec<Difference>, Refusal> {
        let concerned = |one: &Difference| {
            query.service.as_ref().is_none_or(|service| one.service == *service)
                && query.server.as_ref().is_none_or(|server| one.server.as_ref() == Some(server))
        };
        let undone: Vec<Difference> = self.diff()?.into_iter().filter(concerned).collect();
        self.commit(self.edits.reset(query)?)?;
        let message = match (&query.service, &query.server) {
            (Some(service), Some(server)) => format!("server {server} of {service}"),
            (Some(service), None) => format!("service {service}"),
            _ => "everything".to_owned(),
        };
        let message = format!("{message} was reset to the configuration file by an operator");
        self.events.record(
            EventKind::Change,
            query.service.as_deref(),
            query.server.as_deref(),
            message,
        );
        Ok(undone)
    }

    fn connections(&mut self, query: &ConnectionQuery) -> Result<Connections, Refusal> {
        let service = query.service.as_deref().map(|name| self.find_service(name)).transpose()?;
        let server = match (service, &query.server) {
            (_, None) => None,
            (Some(service), Some(name)) => Some(self.find_server(service, name)?),
            (None, Some(_)) => return Err(Refusal::nameless_server()),
        };
        let service = service.map(|place| &*self.running.config.services[place]);
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

impl Agent {
    /// The place of a service among those that run.
    fn find_service(&self, name: &str) -> Result<usize, Refusal> {
        self.running.place(name).ok_or_else(|| {
            let services = &self.running.config.services;
            Refusal::unknown("service", name, services.iter().map(|one| one.name.as_str()))
        })
    }

    fn find_server(&self, place: usize, name: &str) -> Result<&config::Server, Refusal> {
        let service = &self.running.config.services[place];
        service.members().find(|server| server.name == name).ok_or_else(|| {
            let kind = format!("server of {}", service.name);
            Refusal::unknown(&kind, name, service.members().map(|server| server.name.as_str()))
        })
    }

    fn one_server(&self, service: &str, server: &str) -> Result<Server, Refusal> {
        let place = self.find_service(service)?;
        View::new(self)?.server(place, self.find_server(place, server)?)
    }
}

impl From<dataplane::Error> for Refusal {
    fn from(error: dataplane::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

fn invalid(problems: Vec<Problem>) -> Refusal {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| match problem.field.as_str() {
            "" => problem.message.clone(),
            field => format!("{field}: {}", problem.message),
        })
        .collect();
    Refusal::Invalid(lines.join("\n"))
}

/// What an operator has done, in words.
fn words(change: ServerChange) -> String {
    let mut words = Vec::new();
    if let Some(weight) = change.weight {
        words.push(format!("given the weight {weight}"));
    }
    match (change.admin, change.deadline) {
        (Some(AdminState::Drained), Some(deadline)) => {
            words.push(format!("drained, with {deadline} s for its connections"));
        }
        (Some(admin), _) => words.push(admin.to_string()),
        (None, _) => {}
    }
    format!("{} by an operator", words.join(" and "))
}
