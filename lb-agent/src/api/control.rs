use crate::state::{ChangeError, StoreError};
use lb_common::api::{
    ConnectionQuery, Connections, Difference, Problem, ReasonCount, ResetQuery, Server,
    ServerChange, ServerDetail, Service, Status,
};
use std::net::IpAddr;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// What the agent's core answers. Methods run on the core's own thread, one at a time.
pub trait Control {
    /// What the agent is doing.
    fn status(&mut self) -> Result<Status, Refusal>;

    /// All services, in the configuration's order.
    fn services(&mut self) -> Result<Vec<Service>, Refusal>;

    /// One service.
    fn service(&mut self, service: &str) -> Result<Service, Refusal>;

    /// Changes a server, and returns it as it is then. What is returned has been kept on disk.
    fn change_server(
        &mut self,
        service: &str,
        server: &str,
        change: ServerChange,
    ) -> Result<Server, Refusal>;

    /// Adds a service, written as in the configuration file (JSON or YAML).
    fn add_service(&mut self, definition: &[u8]) -> Result<Service, Refusal>;

    /// Removes a service.
    fn remove_service(&mut self, service: &str) -> Result<(), Refusal>;

    /// Adds a server to a service, written as in the configuration file (JSON or YAML).
    fn add_server(&mut self, service: &str, definition: &[u8]) -> Result<Server, Refusal>;

    /// One server, with its check's history.
    fn server(&mut self, service: &str, server: &str) -> Result<ServerDetail, Refusal>;

    /// Removes a server.
    fn remove_server(&mut self, service: &str, server: &str) -> Result<(), Refusal>;

    /// Changes the servers of all services at an address, all or none.
    fn change_host(
        &mut self,
        address: IpAddr,
        change: ServerChange,
    ) -> Result<Vec<Server>, Refusal>;

    /// Reads the configuration file again and answers when it is in force, or with what is wrong
    /// with it.
    fn reload(&mut self, reply: oneshot::Sender<Result<Vec<Problem>, Refusal>>);

    /// The running configuration as a file.
    fn config(&mut self) -> Result<String, Refusal>;

    /// What runs otherwise than the file says.
    fn diff(&mut self) -> Result<Vec<Difference>, Refusal>;

    /// Goes back to what the file says; returns what was undone.
    fn reset(&mut self, query: &ResetQuery) -> Result<Vec<Difference>, Refusal>;

    /// Live flows. A service or server that doesn't exist is refused, not an empty list.
    fn connections(&mut self, query: &ConnectionQuery) -> Result<Connections, Refusal>;

    /// All reasons with their counters.
    fn reasons(&mut self) -> Result<Vec<ReasonCount>, Refusal>;

    /// Takes the data plane down. The core ends after it.
    fn detach(&mut self) -> Result<(), Refusal>;
}

/// Why a request is refused, in words for the operator: what is wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The request cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// What it names doesn't exist.
    #[error("{0}")]
    Unknown(String),
    /// Its method is not for this path.
    #[error("{0}")]
    Method(String),
    /// It contradicts what the agent is doing.
    #[error("{0}")]
    Conflict(String),
    /// Its body is larger than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// It can be read, but its values are not acceptable.
    #[error("{0}")]
    Invalid(String),
    /// Too many others do the same.
    #[error("{0}")]
    Busy(String),
    /// The agent could not do it.
    #[error("{0}")]
    Failed(String),
    /// The agent is ending.
    #[error("the agent is stopping")]
    Stopping,
    /// The answer took too long.
    #[error("{0}")]
    TooSlow(String),
}

impl Refusal {
    /// `name` is no `kind` (`service`, `server of web`) among `known`.
    pub fn unknown<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        const LISTED: usize = 20;
        let known: Vec<_> = known.into_iter().collect();
        let mut message = format!("unknown {kind} {name:?}: ");
        if known.is_empty() {
            message += "there is none";
        } else {
            message += "known: ";
            message += &known[..known.len().min(LISTED)].join(", ");
        }
        if known.len() > LISTED {
            message += &format!(" and {} more", known.len() - LISTED);
        }
        Self::Unknown(message)
    }

    /// A server is named, and no service.
    pub fn nameless_server() -> Self {
        Self::Malformed(
            "a server's name is unique within its service only: name that too".to_owned(),
        )
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Failed(format!("not changed: {error}"))
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// A request, to be run by the core; dropping it refuses it with [`Refusal::Stopping`].
pub struct Call(Box<Request>);

type Request = dyn FnOnce(&mut dyn Control) + Send;

impl Call {
    /// Runs the request and answers it.
    pub fn run(self, control: &mut dyn Control) {
        (self.0)(control);
    }
}

/// The core's end of [`channel`]. Dropping it refuses all requests to come.
pub type Calls = mpsc::Receiver<Call>;

/// The server's end of [`channel`].
#[derive(Clone, Debug)]
pub struct Handle(mpsc::Sender<Call>);

/// Connects the server with the core.
pub fn channel() -> (Handle, Calls) {
    /// More requests than this wait in the server.
    const QUEUE: usize = 16;
    let (sender, calls) = mpsc::channel(QUEUE);
    (Handle(sender), calls)
}

impl Handle {
    /// Lets the core run `request`, and waits for its answer. A request that is dropped before
    /// the core takes it is not run.
    pub async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut dyn Control) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        let call = Call(Box::new(move |control| {
            if !reply.is_closed() {
                // Nobody waits any more: nothing to do about that.
                let _ = reply.send(request(control));
            }
        }));
        self.0.send(call).await.map_err(|_| Refusal::Stopping)?;
        answer.await.unwrap_or(Err(Refusal::Stopping))
    }
}
