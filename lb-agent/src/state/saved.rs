//! The form in which edits are kept: JSON, with definitions in the configuration file's syntax.
//!
//! ```json
//! { "version": 2, "services": {
//!     "web": { "servers": {
//!         "webA": { "weight": 3, "admin": "drained", "until": 1767225600 },
//!         "webB": { "removed": true },
//!         "webC": { "added": "{ name: webC, address: 192.168.0.104:80 }" } } },
//!     "dns": { "added": "{ name: dns, address: 192.168.0.99:53, mode: nat, servers: [] }" },
//!     "old": { "removed": true } } }
//! ```

use super::Edits;
use super::edits::{ServerEdit, ServiceEdit, Whole};
use crate::config::{accepted_server, accepted_service, server_text, service_text};
use lb_common::api::{AdminState, MAX_WEIGHT, Problem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// By name.
pub(super) type Services = BTreeMap<String, SavedService>;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SavedService {
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    servers: BTreeMap<String, SavedServer>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SavedServer {
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<AdminState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

/// Edits as they are kept.
pub(super) fn saved(edits: &Edits) -> Services {
    let services = edits.services.iter().map(|(name, edit)| {
        let (added, removed) = parts(edit.whole.as_ref(), service_text);
        let servers = edit.servers.iter().map(|(name, edit)| (name.clone(), saved_server(edit)));
        (name.clone(), SavedService { added, removed, servers: servers.collect() })
    });
    services.collect()
}

/// Edits from what was kept, or what is wrong with it.
pub(super) fn edits(services: Services) -> Result<Edits, String> {
    let mut edits = BTreeMap::new();
    for (name, saved) in services {
        let place = format!("service {name:?}");
        let added = saved.added.map(|text| accepted_service(&text)).transpose();
        let added = added.map_err(|problems| first(&place, &problems))?;
        if added.as_ref().is_some_and(|service| service.name != name) {
            return Err(format!("{place}: its definition has another name"));
        }
        let whole = whole(&place, added, saved.removed)?;
        if whole == Some(Whole::Removed) && !saved.servers.is_empty() {
            return Err(format!("{place}: removed, but with servers"));
        }
        let mut servers = BTreeMap::new();
        for (server, saved) in saved.servers {
            let edit = server_edit(&format!("{place}: server {server:?}"), &server, saved)?;
            if edit != ServerEdit::default() {
                servers.insert(server, edit);
            }
        }
        let edit = ServiceEdit { whole, servers };
        if edit != ServiceEdit::default() {
            edits.insert(name, edit);
        }
    }
    Ok(Edits { services: edits })
}

fn saved_server(edit: &ServerEdit) -> SavedServer {
    let (added, removed) = parts(edit.whole.as_ref(), server_text);
    let ServerEdit { weight, admin, until, .. } = *edit;
    SavedServer { added, removed, weight, admin, until }
}

fn server_edit(place: &str, name: &str, saved: SavedServer) -> Result<ServerEdit, String> {
    let SavedServer { added, removed, weight, admin, until } = saved;
    let added = added.map(|text| accepted_server(&text)).transpose();
    let added = added.map_err(|problems| first(place, &problems))?;
    if added.as_ref().is_some_and(|server| server.name != name) {
        return Err(format!("{place}: its definition has another name"));
    }
    if weight.is_some_and(|weight| weight > MAX_WEIGHT) {
        return Err(format!("{place}: its weight is out of range: 0 to {MAX_WEIGHT}"));
    }
    if until.is_some() && admin != Some(AdminState::Drained) {
        return Err(format!("{place}: a time until which nothing is drained"));
    }
    Ok(ServerEdit { whole: whole(place, added, removed)?, weight, admin, until })
}

fn parts<T>(whole: Option<&Whole<T>>, text: fn(&T) -> String) -> (Option<String>, bool) {
    match whole {
        None => (None, false),
        Some(Whole::Added(own)) => (Some(text(own)), false),
        Some(Whole::Removed) => (None, true),
    }
}

fn whole<T>(place: &str, added: Option<T>, removed: bool) -> Result<Option<Whole<T>>, String> {
    match (added, removed) {
        (Some(_), true) => Err(format!("{place}: both added and removed")),
        (Some(own), false) => Ok(Some(Whole::Added(Arc::new(own)))),
        (None, true) => Ok(Some(Whole::Removed)),
        (None, false) => Ok(None),
    }
}

fn first(place: &str, problems: &[Problem]) -> String {
    let problem = problems.first().map(Problem::to_string).unwrap_or_default();
    format!("{place}: {problem}")
}
