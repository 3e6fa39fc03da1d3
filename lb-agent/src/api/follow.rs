use super::Refusal;
use super::place::Place;
use super::routes::{Api, Inside};
use crate::events::EventLog;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use lb_common::api::{Event, EventQuery};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// The answer is sent in pieces of about so many bytes.
const PIECE: usize = 16 << 10;

/// `GET /v1/events`
pub(super) async fn events(
    State(inside): State<Inside>,
    Extension(place): Extension<Place>,
    query: Result<Query<EventQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(EventQuery { after, follow }) = query?;
    let Inside { api: Api { events, limits, .. }, followers, stopped, .. } = inside;
    let permit = follow.then(|| followers.try_acquire_owned()).transpose().map_err(|_| {
        Refusal::Busy(format!(
            "{} clients follow the events already, and no more may; end one of them",
            limits.followers
        ))
    })?;
    let last = events.last();
    let newest = *last.borrow();
    if after > newest {
        return Err(Refusal::Conflict(format!(
            "no event {after} yet, the last is {newest}: the agent has started again since then; \
             ask for those after 0"
        )));
    }
    if follow {
        place.follow();
    }
    let follower = Follower {
        events,
        after,
        pending: VecDeque::new(),
        last,
        stopped,
        place,
        patience: limits.write,
        permit,
    };
    let pieces = stream::unfold(follower, |mut follower| async {
        let piece = follower.next().await?;
        Some((Ok::<_, serde_json::Error>(piece), follower))
    });
    let body = Body::from_stream(pieces);
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// An answer with events that is under way.
struct Follower {
    events: EventLog,
    /// The last event that was taken from the log.
    after: u64,
    /// Taken from the log, not sent yet.
    pending: VecDeque<Arc<Event>>,
    last: watch::Receiver<u64>,
    stopped: watch::Receiver<bool>,
    place: Place,
    /// How long the client may take for a piece.
    patience: Duration,
    /// There if the answer goes on with new events.
    permit: Option<OwnedSemaphorePermit>,
}

impl Follower {
    /// The next lines; none at the end. Asked for when there is room for them, so a client that
    /// doesn't read is one for which this isn't called.
    async fn next(&mut self) -> Option<Bytes> {
        if self.permit.is_some() {
            self.place.end(None);
        }
        while self.pending.is_empty() {
            // Looked at first, so that what was recorded before the end is still sent.
            let ends = self.permit.is_none() || *self.stopped.borrow();
            self.last.borrow_and_update();
            self.pending = self.events.after(self.after).into();
            match self.pending.back() {
                Some(event) => self.after = event.sequence,
                None if ends => return None,
                None => tokio::select! {
                    // Both senders outlive this.
                    _ = self.last.changed() => {}
                    _ = self.stopped.changed() => {}
                },
            }
        }
        let mut piece = Vec::with_capacity(PIECE);
        while piece.len() < PIECE
            && let Some(event) = self.pending.pop_front()
        {
            // An event is text and numbers, which serialise; one that doesn't is left out.
            if serde_json::to_writer(&mut piece, &*event).is_ok() {
                piece.push(b'\n');
            }
        }
        if self.permit.is_some() {
            self.place.end(Some(self.patience));
        }
        Some(piece.into())
    }
}
