use crate::config::Config;
use lb_common::api::{AdminState, MAX_WEIGHT, ServerChange};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// What operators changed, by service and server.
///
/// Every weight is at most [`MAX_WEIGHT`], and every entry changes something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Servers")]
pub struct Overrides(Servers);

/// By name of the service, then by name of the server.
type Servers = BTreeMap<String, BTreeMap<String, Override>>;

/// What operators changed about one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// In place of the configured weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Takes no new connections, whatever its weight.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drained: bool,
}

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// It changes nothing.
    #[error("nothing to change: give `weight` or `admin`")]
    Nothing,
    /// Its weight is out of range.
    #[error("weight {0} is out of range: a weight is 0 to {MAX_WEIGHT}")]
    Weight(u32),
}

impl Overrides {
    /// Makes a change. `weight` and `drain` are independent of each other: ending a drain brings
    /// back the weight in force before, or the one set meanwhile.
    pub fn change(
        &mut self,
        service: &str,
        server: &str,
        change: ServerChange,
    ) -> Result<(), ChangeError> {
        if change == ServerChange::default() {
            return Err(ChangeError::Nothing);
        }
        let mut new = self.find(service, server);
        new.weight = change.weight.or(new.weight);
        new.drained = change.admin.map_or(new.drained, |admin| admin != AdminState::Enabled);
        new.check()?;
        self.put(service, server, new);
        Ok(())
    }

    /// What was changed about a server; the default if nothing was.
    pub fn find(&self, service: &str, server: &str) -> Override {
        self.0.get(service).and_then(|servers| servers.get(server)).copied().unwrap_or_default()
    }

    /// The weight in force of a server that is configured with `configured`.
    pub fn weight(&self, service: &str, server: &str, configured: u32) -> u32 {
        self.find(service, server).apply(configured)
    }

    /// All changes: service, server and what was changed, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, Override)> {
        self.0.iter().flat_map(|(service, servers)| {
            servers.iter().map(|(server, changed)| (service.as_str(), server.as_str(), *changed))
        })
    }

    /// Service and server of the changes that `config` has no server for. They are kept: the
    /// server may come back with the next reload.
    pub fn unused<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.iter().map(|(service, server, _)| (service, server)).filter(|(service, server)| {
            !config
                .services
                .iter()
                .filter(|configured| configured.name == *service)
                .flat_map(|configured| &configured.servers)
                .any(|configured| configured.name == *server)
        })
    }

    fn put(&mut self, service: &str, server: &str, new: Override) {
        let servers = self.0.entry(service.to_owned()).or_default();
        if new == Override::default() {
            servers.remove(server);
        } else {
            servers.insert(server.to_owned(), new);
        }
        if servers.is_empty() {
            self.0.remove(service);
        }
    }
}

impl Override {
    /// The weight in force where the configuration says `configured`.
    pub fn apply(self, configured: u32) -> u32 {
        if self.drained { 0 } else { self.weight.unwrap_or(configured) }
    }

    fn check(self) -> Result<(), ChangeError> {
        match self.weight {
            Some(weight) if weight > MAX_WEIGHT => Err(ChangeError::Weight(weight)),
            _ => Ok(()),
        }
    }
}

impl TryFrom<Servers> for Overrides {
    type Error = ChangeError;

    fn try_from(servers: Servers) -> Result<Self, ChangeError> {
        let mut checked = Self::default();
        for (service, servers) in &servers {
            for (server, new) in servers {
                new.check()?;
                checked.put(service, server, *new);
            }
        }
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: ServerChange =
        ServerChange { weight: None, admin: Some(AdminState::Drained), deadline: None };
    const ENABLE: ServerChange =
        ServerChange { weight: None, admin: Some(AdminState::Enabled), deadline: None };

    fn weight(weight: u32) -> ServerChange {
        ServerChange { weight: Some(weight), ..ServerChange::default() }
    }

    #[track_caller]
    fn assert_in_force(changes: &[ServerChange], expected: u32) {
        let mut overrides = Overrides::default();
        for change in changes {
            overrides.change("web", "a", *change).unwrap();
        }
        assert_eq!(overrides.weight("web", "a", 7), expected);
        assert_eq!(overrides.weight("web", "b", 7), 7, "another server");
        assert_eq!(overrides.weight("dns", "a", 7), 7, "another service");
    }

    #[test]
    fn weight_in_force() {
        assert_in_force(&[], 7);
        assert_in_force(&[weight(3)], 3);
        assert_in_force(&[weight(3), weight(0)], 0);
        assert_in_force(&[weight(MAX_WEIGHT)], MAX_WEIGHT);
        assert_in_force(&[DRAIN], 0);
        assert_in_force(&[ENABLE], 7);
        assert_in_force(&[DRAIN, ENABLE], 7);
        assert_in_force(&[weight(3), DRAIN], 0);
        assert_in_force(&[weight(3), DRAIN, ENABLE], 3);
        assert_in_force(&[DRAIN, weight(3)], 0);
        assert_in_force(&[DRAIN, weight(3), ENABLE], 3);
        assert_in_force(&[weight(0), DRAIN, ENABLE], 0);
        assert_in_force(&[ServerChange { weight: Some(4), ..DRAIN }, ENABLE], 4);
    }

    #[test]
    fn refused_changes_leave_all_as_it_was() {
        let mut overrides = Overrides::default();
        overrides.change("web", "a", weight(3)).unwrap();
        let before = overrides.clone();

        let too_heavy = ServerChange { weight: Some(1001), ..DRAIN };
        let error = overrides.change("web", "a", too_heavy).unwrap_err();
        assert_eq!(error.to_string(), "weight 1001 is out of range: a weight is 0 to 1000");
        let nothing = overrides.change("web", "a", ServerChange::default());
        assert_eq!(nothing, Err(ChangeError::Nothing));
        assert_eq!(overrides, before);
    }

    #[test]
    fn what_changes_nothing_is_not_kept() {
        let mut overrides = Overrides::default();
        overrides.change("web", "a", DRAIN).unwrap();
        overrides.change("web", "a", ENABLE).unwrap();
        assert_eq!(overrides, Overrides::default());
    }

    #[test]
    fn servers_that_are_gone_are_reported_and_kept() {
        let mut overrides = Overrides::default();
        for (service, server) in [("web", "a"), ("web", "gone"), ("old", "a")] {
            overrides.change(service, server, DRAIN).unwrap();
        }
        let config = config("web", "a");
        let unused: Vec<_> = overrides.unused(&config).collect();
        assert_eq!(unused, [("old", "a"), ("web", "gone")]);
        assert_eq!(overrides.iter().count(), 3);
    }

    fn config(service: &str, server: &str) -> Config {
        use crate::config::{Server, Service};
        let mut one = Service::new(service, ([192, 0, 2, 1], 80).into());
        one.servers.push(Server::new(server, ([192, 0, 2, 2], 80).into(), 1));
        Config { services: vec![std::sync::Arc::new(one)], ..Config::default() }
    }
}
