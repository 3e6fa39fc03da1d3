//! A look at all flows, again and again, on a thread of its own: how many connections each server
//! has, what the data plane's own count of them has missed, and a poke for the clients of servers
//! whose connections are to be reset.

mod count;
mod drift;
mod poke;

pub use count::{Count, Counts};
pub use drift::Look;

use crate::dataplane::{self, Flows, Loads};
use poke::Poker;
use std::{
    collections::HashSet,
    io,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tracing::warn;

/// A place in the servers map, and the generation of who has it.
pub type Place = (u32, u32);

/// The time between two looks, unless they take long.
const EVERY: Duration = Duration::from_secs(1);

/// Looks take at most one part in so many of this thread's time.
const SHARE: u32 = 20;

/// For so long the clients of a server are poked: those that don't answer are gone.
const POKED_FOR: Duration = Duration::from_secs(10);

/// Clients poked in one look; the others' turn comes with the next.
const POKES: usize = 20_000;

/// The sweeping thread; dropping this ends it.
pub struct Sweeper {
    orders: Option<mpsc::Sender<Order>>,
    looks: watch::Receiver<Arc<Look>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told.
enum Order {
    /// The servers whose connections are to be reset.
    Reset(HashSet<Place>),
}

impl Sweeper {
    /// Starts the thread; it looks at once.
    ///
    /// # Errors
    /// There is no thread or no raw socket to be had.
    pub fn start(flows: Flows, loads: Arc<Loads>) -> io::Result<Self> {
        let (orders, heard) = mpsc::channel();
        let (publish, looks) = watch::channel(Arc::default());
        let poker = Poker::new()?;
        let run =
            move || Sweep { flows, loads, poker, resetting: Vec::new() }.run(&heard, &publish);
        let thread = thread::Builder::new().name("sweep".into()).spawn(run)?;
        Ok(Self { orders: Some(orders), looks, thread: Some(thread) })
    }

    /// Names the servers whose connections are to be reset, all of them each time. The clients of
    /// new ones are poked at once.
    pub fn reset(&self, servers: HashSet<Place>) {
        if let Some(orders) = &self.orders {
            // The thread ends only with this.
            let _ = orders.send(Order::Reset(servers));
        }
    }

    /// Waits for the next look. May be cancelled.
    pub async fn looked(&mut self) -> Arc<Look> {
        if self.looks.changed().await.is_err() {
            // The thread has died: nothing will come.
            std::future::pending::<()>().await;
        }
        self.looks.borrow_and_update().clone()
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Sweep {
    flows: Flows,
    loads: Arc<Loads>,
    poker: Poker,
    /// Since when each server's connections are being reset.
    resetting: Vec<(Place, Instant)>,
}

impl Sweep {
    fn run(mut self, orders: &mpsc::Receiver<Order>, publish: &watch::Sender<Arc<Look>>) {
        loop {
            let begin = Instant::now();
            match self.look(begin) {
                Ok(look) => {
                    publish.send_replace(Arc::new(look));
                }
                Err(error) => warn!(%error, "the flows can't be counted"),
            }
            let pause = EVERY.max(begin.elapsed() * SHARE);
            match orders.recv_timeout(pause) {
                Ok(Order::Reset(servers)) => self.follow(servers, Instant::now()),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn follow(&mut self, servers: HashSet<Place>, now: Instant) {
        self.resetting.retain(|(place, _)| servers.contains(place));
        for place in servers {
            if !self.resetting.iter().any(|(known, _)| *known == place) {
                self.resetting.push((place, now));
            }
        }
    }

    fn look(&mut self, now: Instant) -> Result<Look, dataplane::Error> {
        let poked: HashSet<Place> = self
            .resetting
            .iter()
            .filter(|(_, since)| now.duration_since(*since) < POKED_FOR)
            .map(|(place, _)| *place)
            .collect();
        let mut counts = Counts::default();
        let mut clients = Vec::new();
        let before = self.loads.all();
        let seconds = dataplane::now().map_err(dataplane::Error::Clock)?;
        self.flows.visit(seconds, |key, flow| {
            counts.add(key, flow, seconds);
            let wanted = poked.contains(&(flow.server, flow.generation));
            if wanted && clients.len() < POKES && poke::wakes(key, flow) {
                clients.push(*key);
            }
        })?;
        for key in &clients {
            self.poker.poke(key);
        }
        Ok(Look { counts, took: now.elapsed(), before, after: self.loads.all() })
    }
}
