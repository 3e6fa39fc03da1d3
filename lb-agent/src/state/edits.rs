use crate::config::{FALLBACK, Server, Service};
use lb_common::api::{AdminState, MAX_WEIGHT, ResetQuery, ServerChange};
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

/// What operators changed at run time.
///
/// A change makes new edits of old ones, so that they can be tried and kept before they count.
/// What it changes is not looked up: [`apply`](Self::apply) says what has no effect, and
/// [`prune`](Self::prune) forgets what says no more than the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// By name; none is empty.
    pub(super) services: BTreeMap<String, ServiceEdit>,
}

/// What was changed about a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServiceEdit {
    pub(super) whole: Option<Whole<Service>>,
    /// By name; none is empty. On top of `whole`, which isn't [`Whole::Removed`] then.
    pub(super) servers: BTreeMap<String, ServerEdit>,
}

/// What was changed about a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerEdit {
    pub(super) whole: Option<Whole<Server>>,
    /// In place of the defined weight, at most [`MAX_WEIGHT`].
    pub(super) weight: Option<u32>,
    /// In place of the defined state.
    pub(super) admin: Option<AdminState>,
    /// When a drain ends, in seconds since 1970; only with [`AdminState::Drained`].
    pub(super) until: Option<u64>,
}

/// A service or server that came or went as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whole<T> {
    Added(Arc<T>),
    Removed,
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
    /// It has a deadline, but drains nothing.
    #[error("a deadline is the end of a drain: give `admin` as `drained` too")]
    Deadline,
    /// It is about a service's fallback.
    #[error("the {FALLBACK} is changed in the configuration file only")]
    Fallback,
    /// It names a server, but no service.
    #[error("a server's name is unique within its service only: name that too")]
    NoService,
}

impl Edits {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Adds a service, or replaces the one of its name.
    pub fn add_service(&self, service: Service) -> Self {
        let name = service.name.clone();
        let whole = Some(Whole::Added(Arc::new(service)));
        self.with_service(&name, |edit| *edit = ServiceEdit { whole, ..ServiceEdit::default() })
    }

    /// Removes a service, and what was changed about its servers.
    pub fn remove_service(&self, service: &str) -> Self {
        let whole = Some(Whole::Removed);
        self.with_service(service, |edit| *edit = ServiceEdit { whole, ..ServiceEdit::default() })
    }

    /// Adds a server to a service, or replaces the one of its name.
    pub fn add_server(&self, service: &str, server: Server) -> Self {
        let name = server.name.clone();
        let whole = Some(Whole::Added(Arc::new(server)));
        self.with_server(service, &name, |edit| *edit = ServerEdit { whole, ..Default::default() })
    }

    /// Removes a server of a service.
    pub fn remove_server(&self, service: &str, server: &str) -> Self {
        let whole = Some(Whole::Removed);
        self.with_server(service, server, |edit| *edit = ServerEdit { whole, ..Default::default() })
    }

    /// Changes a server. Weight and admin state are independent of each other: the end of a drain
    /// brings back the weight before, or the one set meanwhile. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// The change says nothing, or nothing that makes sense.
    pub fn change_server(
        &self,
        service: &str,
        server: &str,
        change: ServerChange,
        now: u64,
    ) -> Result<Self, ChangeError> {
        let ServerChange { weight, admin, deadline } = change;
        match (weight, admin, deadline) {
            _ if server == FALLBACK => return Err(ChangeError::Fallback),
            (None, None, None) => return Err(ChangeError::Nothing),
            (Some(weight), _, _) if weight > MAX_WEIGHT => return Err(ChangeError::Weight(weight)),
            (_, None | Some(AdminState::Enabled | AdminState::Disabled), Some(_)) => {
                return Err(ChangeError::Deadline);
            }
            _ => {}
        }
        Ok(self.with_server(service, server, |edit| {
            edit.weight = weight.or(edit.weight);
            if admin.is_some() {
                edit.admin = admin;
                edit.until = deadline.map(|seconds| now.saturating_add(seconds.into()));
            }
        }))
    }

    /// Forgets what was changed about a server, a service with its servers, or everything.
    ///
    /// # Errors
    /// A server is named without its service.
    pub fn reset(&self, query: &ResetQuery) -> Result<Self, ChangeError> {
        Ok(match (&query.service, &query.server) {
            (None, None) => Self::default(),
            (None, Some(_)) => return Err(ChangeError::NoService),
            (Some(service), None) => self.with_service(service, |edit| *edit = Default::default()),
            (Some(service), Some(server)) => {
                self.with_server(service, server, |edit| *edit = ServerEdit::default())
            }
        })
    }

    /// When the drain of a server ends, in seconds since 1970.
    pub fn deadline(&self, service: &str, server: &str) -> Option<u64> {
        self.services.get(service)?.servers.get(server)?.until
    }

    /// All drains that end: service, server and when, in seconds since 1970.
    pub fn deadlines(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.services.iter().flat_map(|(service, edit)| {
            edit.servers.iter().filter_map(move |(server, edit)| {
                Some((service.as_str(), server.as_str(), edit.until?))
            })
        })
    }

    fn with_service(&self, name: &str, change: impl FnOnce(&mut ServiceEdit)) -> Self {
        let mut new = self.clone();
        change(new.services.entry(name.to_owned()).or_default());
        new.services.retain(|_, edit| *edit != ServiceEdit::default());
        new
    }

    fn with_server(&self, service: &str, name: &str, change: impl FnOnce(&mut ServerEdit)) -> Self {
        self.with_service(service, |edit| {
            // What is removed has no servers to change.
            if edit.whole != Some(Whole::Removed) {
                change(edit.servers.entry(name.to_owned()).or_default());
                edit.servers.retain(|_, edit| *edit != ServerEdit::default());
            }
        })
    }
}
