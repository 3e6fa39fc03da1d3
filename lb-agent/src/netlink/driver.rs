//! [`Resolver`]: the loop of sockets, timers and the [`Table`] that they feed.

use super::kernel::{Kernel, ask_route, dump, use_neighbour};
use super::message::event;
use super::resolve::Route;
use super::table::{Change, Table};
use super::topology::{Hop, Topology};
use super::{Interface, Resolution};
use futures_util::stream::{self, BoxStream, FuturesUnordered};
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use lb_common::abi::Link;
use rtnetlink::Handle;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Changes come in groups: how long to wait for the rest before the kernel is asked for routes.
const SETTLE: Duration = Duration::from_millis(20);
/// While routes are being asked for, how long the first changes wait for more.
const COLLECT: Duration = Duration::from_millis(50);
/// Not all is told: a path MTU is learned, a next-hop object changes. So ask for all, seldom.
const RESYNC: Duration = Duration::from_secs(30);
/// Pause before a failed connection to the kernel is made again.
const RECONNECT: Duration = Duration::from_secs(1);
/// Questions about routes that are under way at a time.
const QUESTIONS: usize = 64;

/// Follows the kernel's routes, neighbours and links in the network namespace of the thread that
/// started it.
///
/// It lives in the task that owns it: things go on while [`Resolver::changed`] is awaited, which
/// may be cancelled at any time. It must be made and used inside a tokio runtime.
pub struct Resolver {
    table: Table,
    /// None while the connection has failed.
    kernel: Option<Kernel>,
    /// A dump under way.
    sync: Option<BoxFuture<'static, io::Result<Topology>>>,
    sync_at: Instant,
    /// Questions about routes under way.
    round: Option<Round>,
    /// When the next questions go out, if there are any.
    ask_at: Option<Instant>,
    /// Before this, questions only go out for addresses that are newly wanted.
    quiet_until: Instant,
    /// Requests about neighbours under way.
    uses: FuturesUnordered<BoxFuture<'static, (Hop, io::Result<()>)>>,
    /// When changes are handed out even though more are to come, if there are any.
    deliver_at: Option<Instant>,
}

impl Resolver {
    /// Opens the sockets and learns links, addresses and neighbours.
    ///
    /// # Errors
    /// The kernel refuses the sockets or the dumps.
    pub async fn start() -> io::Result<Self> {
        let kernel = Kernel::connect()?;
        let topology = dump(kernel.handle.clone()).await?;
        let now = Instant::now();
        let mut table = Table::default();
        table.replace(topology, now);
        table.take_change();
        Ok(Self {
            table,
            kernel: Some(kernel),
            sync: None,
            sync_at: now + RESYNC,
            round: None,
            ask_at: None,
            quiet_until: now,
            uses: FuturesUnordered::new(),
            deliver_at: None,
        })
    }

    /// Follows these addresses from now on, and no others.
    pub fn want(&mut self, addresses: BTreeSet<IpAddr>) {
        if self.table.want(addresses) {
            self.ask_at = Some(Instant::now());
        }
    }

    /// Follows `with` from now on and `out` no more, and the others as before.
    pub fn exchange(
        &mut self,
        out: impl IntoIterator<Item = IpAddr>,
        with: impl IntoIterator<Item = IpAddr>,
    ) {
        if self.table.exchange(out, with) {
            self.ask_at = Some(Instant::now());
        }
    }

    /// What is known about the wanted addresses. One that the kernel hasn't been asked about yet
    /// is not in it.
    pub fn resolutions(&self) -> &BTreeMap<IpAddr, Resolution> {
        self.table.resolutions()
    }

    /// Whether each wanted address is among the resolutions.
    pub fn complete(&self) -> bool {
        self.table.complete()
    }

    /// VLAN interfaces by index: the interfaces below them and their tags.
    pub fn links(&self) -> &BTreeMap<u32, Link> {
        self.table.links()
    }

    /// The interface of this name.
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.table.interface_named(name)
    }

    /// The data plane has met a neighbour that the kernel has no link-layer address for: has the
    /// kernel resolve it, and keeps it warm afterwards. Call as often as it happens: repetitions
    /// and floods are held back here.
    pub fn solicit(&mut self, ifindex: u32, address: IpAddr) {
        self.table.solicit(Hop { ifindex, address }, Instant::now());
    }

    /// Waits until something is different and says what. While many routes are asked for,
    /// changes come in groups.
    pub async fn changed(&mut self) -> Change {
        loop {
            let now = Instant::now();
            if let Some(change) = self.deliver(now) {
                return change;
            }
            self.begin(now);
            self.step().await;
        }
    }

    fn deliver(&mut self, now: Instant) -> Option<Change> {
        if !self.table.has_change() {
            self.deliver_at = None;
            return None;
        }
        let deliver_at = *self.deliver_at.get_or_insert(now + COLLECT);
        (self.round.is_none() || deliver_at <= now).then(|| {
            self.deliver_at = None;
            self.table.take_change()
        })
    }

    /// Begins what is due.
    fn begin(&mut self, now: Instant) {
        if self.sync.is_none() && self.sync_at <= now {
            self.begin_sync(now);
        }
        let Some(Kernel { handle, .. }) = &self.kernel else {
            return;
        };
        if !self.table.has_unasked() {
            self.ask_at = None;
        } else if self.round.is_none() {
            let ask_at = *self.ask_at.get_or_insert(self.quiet_until.max(now + SETTLE));
            if ask_at <= now {
                self.ask_at = None;
                self.round = Some(Round::new(handle, self.table.take_unasked(), now));
            }
        }
        if self.uses.is_empty() {
            for hop in self.table.take_due(now) {
                let request = use_neighbour(handle.clone(), hop);
                self.uses.push(request.map(move |result| (hop, result)).boxed());
            }
        }
    }

    fn begin_sync(&mut self, now: Instant) {
        let handle = match &self.kernel {
            Some(kernel) => Ok(kernel.handle.clone()),
            None => Kernel::connect().map(|kernel| self.kernel.insert(kernel).handle.clone()),
        };
        match handle {
            Ok(handle) => self.sync = Some(dump(handle).boxed()),
            Err(error) => self.disconnected(&error, now),
        }
    }

    /// Waits for one thing to happen and takes it in. Nothing is lost when this is cancelled:
    /// what has happened is taken in without waiting again.
    async fn step(&mut self) {
        let wake = self.wake();
        let Self { kernel, sync, round, uses, .. } = self;
        // A dump shows what is true while it runs: what is told meanwhile comes after it.
        let events = kernel.as_mut().filter(|_| sync.is_none()).map(|kernel| &mut kernel.events);
        let happened = tokio::select! {
            biased;
            Some(message) = next(events) => {
                Happened::Told(message.map(|(message, _)| message.payload))
            }
            Some(result) = optional(sync.as_mut()) => Happened::Synced(result),
            Some(answer) = next(round.as_mut().map(|round| &mut round.answers)) => {
                Happened::Answered(answer)
            }
            Some((hop, result)) = uses.next() => Happened::Used(hop, result),
            () = tokio::time::sleep_until(wake.into()) => Happened::Time,
        };
        self.take_in(happened, Instant::now());
    }

    /// When [`Resolver::deliver`] or [`Resolver::begin`] has something to do at the latest.
    fn wake(&self) -> Instant {
        let connected = self.kernel.is_some();
        let ask = self.ask_at.filter(|_| connected && self.round.is_none());
        let due = self.table.next_due().filter(|_| connected && self.uses.is_empty());
        let sync = self.sync.is_none().then_some(self.sync_at);
        let times = [ask, due, sync, self.deliver_at];
        times.into_iter().flatten().min().unwrap_or_else(|| Instant::now() + RESYNC)
    }

    fn take_in(&mut self, happened: Happened, now: Instant) {
        match happened {
            Happened::Told(Some(NetlinkPayload::InnerMessage(message))) => {
                if let Some(event) = event(message) {
                    self.table.apply(event, now);
                }
            }
            Happened::Told(Some(NetlinkPayload::Overrun(_))) => {
                tracing::warn!("the kernel told more than the socket's buffer holds: reading all");
                self.sync_at = now;
            }
            Happened::Told(Some(_)) | Happened::Time => {}
            Happened::Told(None) => self.disconnected(&closed(), now),
            Happened::Synced(Ok(topology)) => {
                self.sync = None;
                self.sync_at = now + RESYNC;
                self.table.replace(topology, now);
            }
            Happened::Answered(Some((address, Ok(route)))) => {
                self.table.answer(address, route, now);
            }
            Happened::Answered(None) => {
                // Leaves as much time without questions as these took, however much changes.
                let took = self.round.take().map_or(Duration::ZERO, |round| now - round.began);
                self.quiet_until = now + took;
            }
            Happened::Synced(Err(error)) | Happened::Answered(Some((_, Err(error)))) => {
                self.disconnected(&error, now);
            }
            Happened::Used(hop, Err(error)) => {
                tracing::debug!(?hop, %error, "the kernel refuses to resolve a neighbour");
            }
            Happened::Used(_, Ok(())) => {}
        }
    }

    /// The next dump makes a new connection, and all that was under way is asked for then.
    fn disconnected(&mut self, error: &io::Error, now: Instant) {
        tracing::error!(%error, "no connection to the kernel's routing tables: trying again");
        self.kernel = None;
        self.sync = None;
        self.round = None;
        self.uses.clear();
        self.sync_at = now + RECONNECT;
    }
}

/// What [`Resolver::step`] waits for.
enum Happened {
    /// The kernel told something, or the connection has ended.
    Told(Option<NetlinkPayload<RouteNetlinkMessage>>),
    Synced(io::Result<Topology>),
    /// A route came, or all have come.
    Answered(Option<(IpAddr, io::Result<Route>)>),
    Used(Hop, io::Result<()>),
    Time,
}

/// Questions about routes that are under way.
struct Round {
    answers: BoxStream<'static, (IpAddr, io::Result<Route>)>,
    began: Instant,
}

impl Round {
    fn new(handle: &Handle, addresses: BTreeSet<IpAddr>, began: Instant) -> Self {
        let handle = handle.clone();
        let answers = stream::iter(addresses)
            .map(move |address| {
                ask_route(handle.clone(), address).map(move |answer| (address, answer))
            })
            .buffer_unordered(QUESTIONS)
            .boxed();
        Self { answers, began }
    }
}

/// The stream's next item, if there is a stream.
async fn next<S: stream::Stream + Unpin>(stream: Option<&mut S>) -> Option<Option<S::Item>> {
    optional(stream.map(|stream| stream.next())).await
}

/// What the future gives, if there is one.
async fn optional<F: Future>(future: Option<F>) -> Option<F::Output> {
    match future {
        Some(future) => Some(future.await),
        None => None,
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the socket is closed")
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
