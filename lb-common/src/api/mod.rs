//! The control API: HTTP/1.1 with JSON bodies over a unix socket.
//!
//! | method and path | body | answer |
//! | --- | --- | --- |
//! | `GET /v1/status` | | [`Status`] |
//! | `GET /v1/services` | | list of [`Service`] |
//! | `POST /v1/services` | a service as in the configuration file | [`Service`] |
//! | `GET /v1/services/{service}` | | [`Service`] |
//! | `DELETE /v1/services/{service}` | | nothing |
//! | `POST /v1/services/{service}/servers` | a server as in the configuration file | [`Server`] |
//! | `GET /v1/services/{service}/servers/{server}` | | [`ServerDetail`] |
//! | `PATCH /v1/services/{service}/servers/{server}` | [`ServerChange`] | [`Server`] |
//! | `DELETE /v1/services/{service}/servers/{server}` | | nothing |
//! | `PATCH /v1/hosts/{address}` | [`ServerChange`] | list of [`Server`]: all at this address |
//! | `GET /v1/connections` | [`ConnectionQuery`] as the query | [`Connections`] |
//! | `GET /v1/reasons` | | list of [`ReasonCount`], all reasons |
//! | `GET /v1/events` | [`EventQuery`] as the query | [`Event`]s, one JSON object a line |
//! | `POST /v1/check?path=NAME` | a configuration file | list of [`Problem`], empty if it is good |
//! | `POST /v1/reload` | | list of [`Problem`]: the file was applied if it is empty |
//! | `GET /v1/config` | | the running configuration as a file (YAML) |
//! | `GET /v1/diff` | | list of [`Difference`], from the file to what runs |
//! | `POST /v1/reset` | [`ResetQuery`] as the query | list of [`Difference`]: what was undone |
//! | `POST /v1/detach` | | nothing: the data plane is taken down and the agent ends |
//!
//! A change that is acknowledged has been kept on disk. Every other status than 2xx carries an
//! [`Error`].

mod change;
mod connection;
mod event;
mod health;
mod problem;
mod service;
mod status;
mod words;

pub use change::{Difference, ResetQuery, ServerChange};
pub use connection::{Connection, ConnectionQuery, Connections};
pub use event::{Event, EventQuery};
pub use health::{CheckResult, Health};
pub use problem::Problem;
pub use service::{NextHop, Server, ServerDetail, Service, Stats};
pub use status::{Interface, ReasonCount, Status};
pub use words::{
    AdminState, AttachMode, EventKind, Mode, OnDown, Protocol, Scheduler, ServerState, Verdict,
};

use alloc::string::String;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Where the agent listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/lb/agent.sock";

/// Largest configuration file, and so the largest body of `POST /v1/check`, in bytes.
pub const MAX_CHECK: usize = 16 << 20;

/// Largest body of `POST /v1/services`, in bytes.
pub const MAX_SERVICE: usize = 1 << 20;

/// So long a client of `POST /v1/reload` waits for what became of it.
pub const RELOAD_TIME: Duration = Duration::from_secs(60);

/// Largest weight of a server.
pub const MAX_WEIGHT: u32 = 1000;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// In words: what was wrong and what would be right.
    pub error: String,
}
