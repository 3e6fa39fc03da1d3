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
    /// Adds what the file hasn't, or has otherwise (`replaced`).
    fn add(
        &mut self,
        file: &Config,
        edits: &BTreeMap<&str, &ServiceEdit>,
        replaced: &BTreeMap<&str, &Arc<Service>>,
    ) {
        if edits.is_empty() {
            return;
        }
        let end = |service: &Arc<Service>| (service.address, service.protocol);
        let mut taken: HashSet<_> = self.services.iter().map(end).collect();
        for (name, edit) in edits {
            let place = format!("service {name}");
            let Some(own) = self.added(&place, edit.whole.as_ref()) else { continue };
            let room = |service: &Arc<Service>| {
                if self.services.len() >= file.limits.services as usize {
                    Err("limits.services allows no more".to_owned())
                } else if service.members().count() > self.spare {
                    Err(NO_SPARE.to_owned())
                } else if taken.contains(&end(service)) {
                    Err("another service has its address and protocol".to_owned())
                } else {
                    Ok(())
                }
            };
            let (chosen, conflict) = choose(&place, own, replaced.get(name).copied(), room);
            self.conflicts.extend(conflict);
            if let Some(service) = chosen {
                taken.insert(end(service));
                self.spare -= service.members().count();
                let service = self.servers(service, &edit.servers);
                self.services.push(service);
            }
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
            let place = format!("server {}/{name}", base.name);
            let Some(own) = self.added(&place, edit.whole.as_ref()) else { continue };
            let room = |server: &Server| match self.spare {
                0 => Err(NO_SPARE.to_owned()),
                _ => config::fits(&service, server),
            };
            let (chosen, conflict) = choose(&place, &**own, replaced.get(name).copied(), room);
            self.conflicts.extend(conflict);
            if let Some(server) = chosen {
                self.spare -= 1;
                service.servers.push(edit.apply(server));
            }
        }
        Arc::new(service)
    }

    /// What was added; if something was only changed, it is gone.
    fn added<'a, T>(&mut self, place: &str, whole: Option<&'a Whole<T>>) -> Option<&'a Arc<T>> {
        match whole {
            Some(Whole::Added(own)) => Some(own),
            Some(Whole::Removed) => None,
            None => {
                let words = "was changed at run time, but the file doesn't have it";
                self.conflicts.push(format!("{place} {words}"));
                None
            }
        }
    }
}

const NO_SPARE: &str = "limits.servers allows no more";

/// What was added, or the file's own if there is no place for that; and what to say about it.
fn choose<'a, T: ?Sized>(
    place: &str,
    own: &'a T,
    in_file: Option<&'a T>,
    room: impl Fn(&T) -> Result<(), String>,
) -> (Option<&'a T>, Option<String>) {
    match room(own) {
        Ok(()) => {
            let words = "was added at run time, and the file has another definition of it";
            (Some(own), in_file.map(|_| format!("{place} {words}, which has no effect")))
        }
        Err(reason) => {
            let rest = in_file.filter(|in_file| room(in_file).is_ok());
            (rest, Some(format!("{place} was added at run time, but has no effect: {reason}")))
        }
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
