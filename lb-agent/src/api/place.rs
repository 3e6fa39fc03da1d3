//! Places for connections: who has one, until when, and who gives it up to a newcomer.

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};

/// All places. While every one is taken, a newcomer gets that of the client that has kept the
/// server waiting longest: for its request, else for taking its answer.
pub(super) struct Places {
    free: Arc<Semaphore>,
    queue: Arc<Mutex<Queue>>,
}

/// When a connection ends; none: not yet known.
type End = watch::Sender<Option<Instant>>;

/// The connections that wait for their clients, in the order in which they began to.
#[derive(Default)]
struct Queue {
    last: u64,
    asking: BTreeMap<u64, End>,
    taking: BTreeMap<u64, End>,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), queue: Arc::default() }
    }

    /// A place for a connection whose request is still to come. With every place taken by
    /// requests that are being worked on, it waits for one of these.
    pub(super) async fn take(&self) -> Result<Place, AcquireError> {
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                lock(&self.queue).evict();
                self.free.clone().acquire_owned().await?
            }
        };
        let end = watch::Sender::new(None);
        let mut queue = lock(&self.queue);
        queue.last += 1;
        let turn = queue.last;
        queue.asking.insert(turn, end.clone());
        drop(queue);
        let queue = self.queue.clone();
        let following = AtomicBool::new(false);
        let kept = OnceLock::new();
        Ok(Place(Arc::new(Seat { turn, end, queue, following, kept, _permit: permit })))
    }
}

impl Queue {
    fn evict(&mut self) {
        let longest = self.asking.pop_first().or_else(|| self.taking.pop_first());
        if let Some((_, end)) = longest {
            end.send_replace(Some(Instant::now()));
        }
    }
}

/// One connection's place, free again when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Place(Arc<Seat>);

struct Seat {
    /// Its key in the queue.
    turn: u64,
    end: End,
    queue: Arc<Mutex<Queue>>,
    following: AtomicBool,
    kept: OnceLock<OwnedSemaphorePermit>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// The body of the request; when it has come whole, the client no longer keeps us waiting.
    pub(super) fn asking(&self, body: Incoming) -> Asking {
        if body.is_end_stream() {
            self.asked();
        }
        Asking { body, place: self.clone() }
    }

    /// The answer is there: the client has `limit` to take it, unless it follows.
    pub(super) fn answered(&self, limit: Duration) {
        if !self.0.following.load(Ordering::Relaxed) {
            self.asked();
            lock(&self.0.queue).taking.insert(self.0.turn, self.0.end.clone());
            self.end(Some(limit));
        }
    }

    /// The answer goes on and on; the place is kept until [`end`](Self::end) says otherwise.
    pub(super) fn follow(&self) {
        self.0.following.store(true, Ordering::Relaxed);
    }

    /// The connection ends after `limit` from now; none: it goes on.
    pub(super) fn end(&self, limit: Option<Duration>) {
        self.0.end.send_replace(limit.map(|limit| Instant::now() + limit));
    }

    /// Keeps a permit until the connection ends.
    pub(super) fn keep(&self, permit: OwnedSemaphorePermit) {
        // There is one request, and so one permit, a connection.
        let _ = self.0.kept.set(permit);
    }

    /// Ready when the connection is to end.
    pub(super) async fn ended(&self) {
        let mut end = self.0.end.subscribe();
        loop {
            let at = *end.borrow_and_update();
            // The sender lives as long as `self`.
            match at {
                None => {
                    let _ = end.changed().await;
                }
                Some(at) => tokio::select! {
                    () = sleep_until(at) => return,
                    _ = end.changed() => {}
                },
            }
        }
    }

    fn asked(&self) {
        lock(&self.0.queue).asking.remove(&self.0.turn);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        queue.asking.remove(&self.turn);
        queue.taking.remove(&self.turn);
    }
}

/// A request's body that tells its place when it has come whole.
pub(super) struct Asking {
    body: Incoming,
    place: Place,
}

impl Body for Asking {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.place.asked();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Nothing panics half-way through a change, so what a poisoned lock guards is whole.
fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
