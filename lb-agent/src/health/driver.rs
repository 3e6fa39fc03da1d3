//! [`Checks`]: the thread that makes the runs which an [`Engine`] asks for.

use super::engine::{Change, Engine, Id, Start, Wanted};
use super::probe::{Finding, Prober};
use super::target::Target;
use crate::host;
use lb_common::api::{Health, Verdict};
use std::{
    collections::HashMap,
    io,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::{
    runtime::{self, Runtime},
    sync::{Notify, Semaphore},
    task::{AbortHandle, JoinError, JoinSet},
    time::{sleep_until, timeout},
};
use tracing::{error, warn};

/// Name of the thread.
const THREAD: &str = "checks";

/// So many runs are made at a time; the others wait until one has ended.
const RUNS: u64 = 8192;

/// A part of the file descriptors that the process may have is for runs.
const SHARE_OF_FILES: u64 = 2;

/// How long to sleep when nothing is to be checked.
const IDLE: Duration = Duration::from_secs(3600);

/// Health checks, made by a thread of their own, in the network namespace of the thread that
/// started it. The thread ends when this is dropped.
#[derive(Debug)]
pub struct Checks {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What both threads have. The lock is held for a moment at a time.
#[derive(Debug, Default)]
struct Shared {
    engine: Mutex<Engine>,
    /// Wakes the thread: there is something else to do than it thought.
    work: Notify,
    /// Wakes the owner: there may be a change.
    news: Notify,
    stop: AtomicBool,
}

impl Checks {
    /// Starts the thread. Nothing is checked until something is [wanted](Self::want).
    ///
    /// # Errors
    /// The kernel refuses the thread, or what its runtime needs.
    pub fn start() -> io::Result<Self> {
        let runs = match host::raise_open_files_limit() {
            Ok(files) => (files / SHARE_OF_FILES).clamp(1, RUNS),
            Err(error) => {
                warn!("{error}");
                RUNS
            }
        };
        Self::start_with(usize::try_from(runs).unwrap_or(usize::MAX))
    }

    /// Starts the thread; it makes so many runs at a time.
    fn start_with(runs: usize) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name(THREAD.to_owned()).spawn({
            let shared = shared.clone();
            move || drive(runtime, &shared, runs)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Checks these targets from now on, and no others; see [`Engine::want`].
    pub fn want(&self, wanted: impl IntoIterator<Item = Wanted>) {
        self.shared.engine().want(Instant::now(), wanted);
        self.shared.work.notify_one();
    }

    /// Checks `with` in place of `out`; see [`Engine::exchange`].
    pub fn exchange(
        &self,
        out: impl IntoIterator<Item = Target>,
        with: impl IntoIterator<Item = Wanted>,
    ) {
        self.shared.engine().exchange(Instant::now(), out, with);
        self.shared.work.notify_one();
    }

    /// Waits until the verdict on a target changes. Cancelling it loses no change.
    pub async fn changed(&mut self) -> Change {
        loop {
            if let Some(change) = self.shared.engine().take_change() {
                return change;
            }
            self.shared.news.notified().await;
        }
    }

    /// What a target is, as far as [`changed`](Self::changed) has told; none if it isn't wanted.
    pub fn verdict(&self, target: &Target) -> Option<Verdict> {
        self.shared.engine().verdict(target)
    }

    /// All that is known of a target, up to this moment; none if it isn't wanted.
    pub fn health(&self, target: &Target) -> Option<Health> {
        self.shared.engine().health(Instant::now(), target)
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.work.notify_one();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!("the thread of the health checks ended badly");
        }
    }
}

impl Shared {
    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread does until it is to stop.
fn drive(runtime: Runtime, shared: &Shared, limit: usize) {
    runtime.block_on(async {
        let mut runs = Runs::new(limit);
        let mut alarm = pin!(sleep_until(Instant::now().into()));
        while !shared.stop.load(Ordering::Acquire) {
            let due = runs.begin(&mut shared.engine());
            alarm.as_mut().reset(due.unwrap_or_else(|| Instant::now() + IDLE).into());
            tokio::select! {
                () = shared.work.notified() => {}
                () = &mut alarm => {}
                ended = runs.ended() => {
                    let mut engine = shared.engine();
                    runs.take_in(&mut engine, ended);
                    if engine.has_news() {
                        shared.news.notify_one();
                    }
                }
            }
        }
    });
    // A look-up that hangs in the C library isn't waited for.
    runtime.shutdown_background();
}

/// The runs under way.
struct Runs {
    tools: Arc<Tools>,
    tasks: JoinSet<Run>,
    by_target: HashMap<Id, AbortHandle>,
}

/// What all runs use.
struct Tools {
    prober: Prober,
    permits: Semaphore,
}

/// A run that has ended.
struct Run {
    id: Id,
    began: Instant,
    ended: Instant,
    finding: Finding,
}

impl Runs {
    fn new(limit: usize) -> Self {
        let tools = Tools { prober: Prober::new(), permits: Semaphore::new(limit) };
        Self { tools: tools.into(), tasks: JoinSet::new(), by_target: HashMap::new() }
    }

    /// Begins what is due and ends what is in vain. Returns when there is more to begin.
    fn begin(&mut self, engine: &mut Engine) -> Option<Instant> {
        for orphan in engine.take_orphans() {
            if let Some(run) = self.by_target.remove(&orphan) {
                run.abort();
            }
        }
        let now = Instant::now();
        while let Some(start) = engine.begin(now) {
            let id = start.id;
            let task = self.tasks.spawn(run(self.tools.clone(), start));
            self.by_target.insert(id, task);
        }
        engine.next_due()
    }

    /// Waits for the next run to end.
    async fn ended(&mut self) -> Result<Run, JoinError> {
        match self.tasks.join_next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Hands over what a run has found, and all others that have ended.
    fn take_in(&mut self, engine: &mut Engine, ended: Result<Run, JoinError>) {
        let mut next = Some(ended);
        while let Some(ended) = next {
            if let Some(Run { id, began, ended, finding }) = self.outcome(ended) {
                self.by_target.remove(&id);
                engine.finished(ended, id, began, finding);
            }
            next = self.tasks.try_join_next();
        }
    }

    /// A run that panicked has failed, so that its target is asked again. One that was aborted has
    /// no outcome.
    fn outcome(&self, ended: Result<Run, JoinError>) -> Option<Run> {
        let task = match ended {
            Ok(run) => return Some(run),
            Err(error) if error.is_cancelled() => return None,
            Err(error) => error.id(),
        };
        let (&id, _) = self.by_target.iter().find(|(_, run)| run.id() == task)?;
        let now = Instant::now();
        let cause = "the agent's own fault: the check panicked".to_owned();
        let finding = Finding { passed: false, cause };
        Some(Run { id, began: now, ended: now, finding })
    }
}

/// Asks a target once. Its time counts from when it is its turn.
async fn run(tools: Arc<Tools>, Start { id, target }: Start) -> Run {
    // There are permits for as long as there are tools, so this is no error.
    let _permit = tools.permits.acquire().await;
    let check = target.check();
    let began = Instant::now();
    let asked = tools.prober.run(&check.probe, target.address(), check.timeout);
    let finding = timeout(check.timeout, asked).await.unwrap_or_else(|_| Finding {
        passed: false,
        cause: format!("no answer within {:?}", check.timeout),
    });
    Run { id, began, ended: Instant::now(), finding }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
