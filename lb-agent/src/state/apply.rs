use super::Edits;
use super::edits::{ServerEdit, ServiceEdit, Whole};
use crate::config::{self, Config, Server, Service};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// What runs: a file's configuration with what was changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The services in the file's order, then those that were added; likewise their servers.
    /// Services that weren't changed are the file's own.
    pub config: Config,
    /// What has no effect, or one that the file contradicts: a sentence each.
    pub conflicts: Vec<String>,
}

impl Edits {
    /// Makes the changes to a file's configuration. What was added at run time is in force even if
    /// the file has another definition by now, unless there is no place for it.
    pub fn apply(&self, file: &Config) -> Applied {
        let mut work = Work {
            spare: usize::MAX,
            services: Vec::with_capacity(file.services.len()),
            conflicts: Vec::new(),
        };
        let mut left: BTreeMap<&str, &ServiceEdit> =
            self.services.iter().map(|(name, edit)| (name.as_str(), edit)).collect();
        // Of those that are replaced: what the file has.
        let mut replaced: BTreeMap<&str, &Arc<Service>> = BTreeMap::new();
        let mut changed = Vec::new();
        for service in &file.services {
            let name = service.name.as_str();
            match left.get(name).map(|edit| (&edit.whole, *edit)) {
                None => work.services.push(Arc::clone(service)),
                Some((Some(Whole::Removed), _)) => {}
                Some((Some(Whole::Added(own)), _)) if own != service => {
                    replaced.insert(name, service);
                    continue;
                }
                Some((_, edit)) => {
                    changed.push((work.services.len(), &edit.servers));
                    work.services.push(Arc::clone(service));
                }
            }
            left.remove(name);
        }
        if !self.is_empty() {
            let servers = work.services.iter().map(|service| service.members().count()).sum();
            work.spare = (file.limits.servers as usize).saturating_sub(servers);
        }
        for (index, edits) in changed {
            let service = Arc::clone(&work.services[index]);
            work.services[index] = work.servers(&service, edits);
        }
        work.add(file, &left, &replaced);
        let config = Config {
            interfaces: file.interfaces.clone(),
            limits: file.limits,
            group: file.group.clone(),
            autoreload: file.autoreload,
            services: work.services,
        };
        Applied { config, conflicts: work.conflicts }
    }

    /// One of the file's services with the changes of its servers.
    pub fn apply_service(&self, service: &Arc<Service>) -> Arc<Service> {
        self.services
            .get(&service.name)
            .map_or_else(|| Arc::clone(service), |edit| edit.apply(service))
    }
}

impl ServiceEdit {
    /// A service with the changes of its servers.
    pub(super) fn apply(&self, service: &Arc<Service>) -> Arc<Service> {
        let mut work = Work { spare: usize::MAX, services: Vec::new(), conflicts: Vec::new() };
        work.servers(service, &self.servers)
    }
}

/// What runs, as far as it is put together.
struct Work {
    /// How many servers the limits still allow.
    spare: usize,
    services: Vec<Arc<Service>>,
    conflicts: Vec<String>,
}

impl Work {
    /// Adds what the file hasn't, or has otherwise.
    fn add(
        &mut self,
        file: &Config,
        edits: &BTreeMap<&str, &ServiceEdit>,
        replaced: &BTreeMap<&str, &Arc<Service>>,
    ) {
        if edits.is_empty() {
            return;
        }
        let ends = self.services.iter().map(|service| (service.address, service.protocol));
        let mut taken: HashSet<_> = ends.collect();
        for (name, edit) in edits {
            let Some(Whole::Added(own)) = &edit.whole else {
                if edit.whole.is_none() {
                    self.conflict(format!(
                        "service {name}: servers were changed at run time, but the file has no \
                         such service"
                    ));
                }
                continue;
            };
            let in_file = replaced.get(name).copied();
            if in_file.is_some() {
                self.conflict(format!(
                    "service {name} was added at run time, and the file defines it otherwise"
                ));
            }
            let members = |service: &Service| service.members().count();
            let mut place = |service: &Service| {
                if self.services.len() >= file.limits.services as usize {
                    Err("limits.services allows no more")
                } else if members(service) > self.spare {
                    Err("limits.servers allows no more")
                } else if !taken.insert((service.address, service.protocol)) {
                    Err("another service has its address and protocol")
                } else {
                    Ok(())
                }
            };
            let base = match place(own) {
                Ok(()) => own,
                Err(reason) => {
                    let rest = in_file.filter(|service| place(service).is_ok());
                    self.conflict(format!(
                        "service {name}, added at run time, has no effect: {reason}"
                    ));
                    let Some(service) = rest else { continue };
                    service
                }
            };
            self.spare -= members(base).min(self.spare);
            let service = self.servers(base, &edit.servers);
            self.services.push(service);
        }
    }

    /// A service with the changes of its servers.
    fn servers(
        &mut self,
        base: &Arc<Service>,
        edits: &BTreeMap<String, ServerEdit>,
    ) -> Arc<Service> {
        if edits.is_empty() {
            return Arc::clone(base);
        }
        let mut service = Service { servers: Vec::new(), ..Service::clone(base) };
        let mut left: BTreeMap<&str, &ServerEdit> =
            edits.iter().map(|(name, edit)| (name.as_str(), edit)).collect();
        let mut replaced: BTreeMap<&str, &Server> = BTreeMap::new();
        for server in &base.servers {
            let name = server.name.as_str();
            match left.get(name).map(|edit| (&edit.whole, *edit)) {
                None => service.servers.push(server.clone()),
                Some((Some(Whole::Removed), _)) => self.spare = self.spare.saturating_add(1),
                Some((Some(Whole::Added(own)), _)) if **own != *server => {
                    self.spare = self.spare.saturating_add(1);
                    replaced.insert(name, server);
                    continue;
                }
                Some((_, edit)) => service.servers.push(edit.apply(server)),
            }
            left.remove(name);
        }
        for (name, edit) in left {
            let place = format!("{}/{name}", base.name);
            let Some(Whole::Added(own)) = &edit.whole else {
                if edit.whole.is_none() {
                    self.conflict(format!(
                        "server {place} was changed at run time, but the file has no such server"
                    ));
                }
                continue;
            };
            let in_file = replaced.get(name).copied();
            if in_file.is_some() {
                self.conflict(format!(
                    "server {place} was added at run time, and the file defines it otherwise"
                ));
            }
            let fits = |server: &Server| match self.spare {
                0 => Err("limits.servers allows no more".to_owned()),
                _ => config::fits(&service, server),
            };
            let server = match fits(own) {
                Ok(()) => Some(&**own),
                Err(reason) => {
                    let rest = in_file.filter(|server| fits(server).is_ok());
                    self.conflict(format!(
                        "server {place}, added at run time, has no effect: {reason}"
                    ));
                    rest
                }
            };
            if let Some(server) = server {
                self.spare -= 1;
                service.servers.push(edit.apply(server));
            }
        }
        Arc::new(service)
    }

    fn conflict(&mut self, message: String) {
        self.conflicts.push(message);
    }
}

impl ServerEdit {
    /// A server with the changes of its weight and admin state.
    pub(super) fn apply(&self, server: &Server) -> Server {
        Server {
            weight: self.weight.unwrap_or(server.weight),
            admin: self.admin.unwrap_or(server.admin),
            ..server.clone()
        }
    }
}
