use super::Edits;
use super::edits::{ServerEdit, ServiceEdit, Whole};
use crate::config::{Config, Server, Service};
use std::collections::HashMap;
use std::sync::Arc;

impl Edits {
    /// Forgets what says no more than the file. What the file contradicts or has nothing for is
    /// kept: it may come back with the next reload.
    pub fn prune(&self, file: &Config) -> Self {
        if self.is_empty() {
            return Self::default();
        }
        let configured: HashMap<&str, &Arc<Service>> =
            file.services.iter().map(|service| (service.name.as_str(), service)).collect();
        let pruned = self.services.iter().filter_map(|(name, edit)| {
            let edit = edit.prune(configured.get(name.as_str()).copied());
            (edit != ServiceEdit::default()).then(|| (name.clone(), edit))
        });
        Self { services: pruned.collect() }
    }
}

impl ServiceEdit {
    fn prune(&self, file: Option<&Arc<Service>>) -> Self {
        let whole = match (&self.whole, file) {
            (Some(Whole::Removed), None) => None,
            (Some(Whole::Added(own)), Some(file)) if self.makes(own, file) => None,
            (whole, _) => whole.clone(),
        };
        // What was added gives way to the file's where it has no place: an edit must say nothing
        // about either.
        let own = match &whole {
            Some(Whole::Added(own)) => Some(own),
            _ => None,
        };
        let servers = self.servers.iter().filter_map(|(name, edit)| {
            let mut bases = own.into_iter().chain(file);
            let pruned = bases.next().map(|base| edit.prune(base.server(name)));
            let edit = pruned
                .filter(|pruned| bases.all(|base| edit.prune(base.server(name)) == *pruned))
                .unwrap_or_else(|| edit.clone());
            (edit != ServerEdit::default()).then(|| (name.clone(), edit))
        });
        Self { servers: servers.collect(), whole }
    }

    /// Whether a service that was added is the file's by now, in whatever order its servers are.
    fn makes(&self, own: &Arc<Service>, file: &Arc<Service>) -> bool {
        let sorted = |service: &Service| {
            let mut service = service.clone();
            service.servers.sort_by(|a, b| a.name.cmp(&b.name));
            service
        };
        sorted(&self.apply(own)) == sorted(file)
    }
}

impl ServerEdit {
    fn prune(&self, file: Option<&Server>) -> Self {
        let whole = match (&self.whole, file) {
            (Some(Whole::Removed), None) => None,
            (Some(Whole::Added(own)), Some(file)) if self.apply(own) == *file => None,
            (whole, _) => whole.clone(),
        };
        let base = match &whole {
            Some(Whole::Added(own)) => Some(&**own),
            _ => file,
        };
        let weight = self.weight.filter(|weight| base.is_none_or(|base| base.weight != *weight));
        // A drain that ends says more than one that doesn't.
        let says_more = |admin| self.until.is_some() || base.is_none_or(|base| base.admin != admin);
        let admin = self.admin.filter(|admin| says_more(*admin));
        Self { weight, admin, until: self.until, whole }
    }
}
