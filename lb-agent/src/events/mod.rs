//! What happened, in order: the last events for those who ask, and a line each in the log.

#[cfg(test)]
mod tests;

use lb_common::api::{Event, EventKind};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// So many events are remembered; older ones are forgotten.
pub const REMEMBERED: usize = 10_000;

/// The events since the agent began. Clones share them; any thread may record and read.
#[derive(Clone, Debug, Default)]
pub struct EventLog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    events: Mutex<VecDeque<Arc<Event>>>,
    /// Sequence of the last event; 0 before the first.
    last: watch::Sender<u64>,
}

impl EventLog {
    /// Records an event, and logs it: as information.
    ///
    /// `server` is a name within `service`; `message` says what happened and why, in words.
    pub fn record(
        &self,
        kind: EventKind,
        service: Option<&str>,
        server: Option<&str>,
        message: impl Into<String>,
    ) {
        let message = message.into();
        tracing::info!(kind = kind.word(), service, server, "{message}");
        self.add(kind, service, server, message);
    }

    /// Records an event that an operator should look at, and logs it: as a warning.
    pub fn warn(
        &self,
        kind: EventKind,
        service: Option<&str>,
        server: Option<&str>,
        message: impl Into<String>,
    ) {
        let message = message.into();
        tracing::warn!(kind = kind.word(), service, server, "{message}");
        self.add(kind, service, server, message);
    }

    /// Those with a greater sequence than `sequence` that are remembered, oldest first. A gap
    /// behind `sequence` means that events were forgotten.
    pub fn after(&self, sequence: u64) -> Vec<Arc<Event>> {
        let events = self.events();
        // Sequences have no gaps, so the place follows from the first one.
        let first = events.front().map_or(1, |event| event.sequence);
        let skip =
            usize::try_from(sequence.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        events.iter().skip(skip).cloned().collect()
    }

    /// The sequence of the last event, 0 before the first; the receiver is told when it grows.
    pub fn last(&self) -> watch::Receiver<u64> {
        self.0.last.subscribe()
    }

    fn add(&self, kind: EventKind, service: Option<&str>, server: Option<&str>, message: String) {
        let mut events = self.events();
        let sequence = *self.0.last.borrow() + 1;
        if events.len() == REMEMBERED {
            events.pop_front();
        }
        events.push_back(Arc::new(Event {
            sequence,
            time: now(),
            kind,
            service: service.map(str::to_owned),
            server: server.map(str::to_owned),
            message,
        }));
        // Still under the lock: whoever is told finds the event.
        self.0.last.send_replace(sequence);
    }

    /// Nothing panics half-way through a change, so what a poisoned lock guards is whole.
    fn events(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since 1970; 0 with a clock that is before that.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
