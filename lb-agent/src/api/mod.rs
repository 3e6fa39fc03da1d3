//! The control API's server: [`lb_common::api`] over a unix socket.
//!
//! Handlers decide nothing. Each request becomes a [`Call`] on the [`Control`] that the agent's
//! core implements; the core takes calls from its [`Calls`] one by one, so it owns its state alone:
//!
//! ```no_run
//! # use lb_agent::{api::{self, Api, Control, Listener, Refusal}, events::EventLog};
//! # async fn run(mut core: impl Control, socket: &std::path::Path) -> Result<(), api::BindError> {
//! let (handle, mut calls) = api::channel();
//! let listener = Listener::bind(socket, None).await?;
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let check = |_name: &str, _text: &[u8]| vec![];
//! let api = Api::new(handle, EventLog::default(), check);
//! let server = tokio::spawn(api::serve(listener, api, async {
//!     let _ = stopped.await;
//! }));
//! while let Some(call) = calls.recv().await {
//!     call.run(&mut core);
//! }
//! drop(stop);
//! let _ = server.await; // what was answered last is still on its way
//! # Ok(())
//! # }
//! ```

mod changes;
mod control;
mod follow;
mod listener;
mod place;
mod refuse;
mod routes;
mod serve;
#[cfg(test)]
mod tests;

pub use control::{Call, Calls, Control, Handle, Refusal, channel};
pub use listener::{BindError, Listener};
pub use routes::Api;
pub use serve::{Limits, serve};
