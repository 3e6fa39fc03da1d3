//! A host: a network namespace and what runs in it.

use std::fs::File;
use std::future::Future;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns, unshare};
use rtnetlink::Handle;

use super::cleanup::{Remains, lock};
use super::worker::Worker;

/// A host of the lab. Clones are handles to the same host.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    name: String,
    namespace: File,
    remains: Arc<Remains>,
    workers: Mutex<Vec<Worker>>,
}

impl Host {
    pub(super) fn new(name: &str, remains: &Arc<Remains>) -> Result<Self> {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET)
                .context("making a network namespace (needs root: CAP_SYS_ADMIN)")?;
            anyhow::Ok(File::open("/proc/thread-self/ns/net")?)
        };
        let host = Self(Arc::new(Inner {
            name: name.to_owned(),
            namespace: on_own_thread(name, make)?,
            remains: remains.clone(),
            workers: Mutex::default(),
        }));
        host.set_up()?;
        Ok(host)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Runs `work` on a thread inside the host. Sockets opened there belong to the host wherever
    /// they are used afterwards, and threads started there are inside as well.
    ///
    /// # Panics
    /// When `work` does, or when the namespace can't be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        on_own_thread(self.name(), || {
            if let Err(error) = enter(&self.0.namespace) {
                panic!("{}: {error:?}", self.name());
            }
            work()
        })
    }

    /// Runs netlink requests inside the host.
    pub(super) fn netlink<T: Send, F: Future<Output = Result<T, rtnetlink::Error>>>(
        &self,
        requests: impl FnOnce(Handle) -> F + Send,
    ) -> Result<T> {
        let answer = self.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(async {
                let (connection, handle, _) = rtnetlink::new_connection()?;
                tokio::spawn(connection);
                // The last handle takes the connection with it, answers under way included.
                anyhow::Ok(requests(handle.clone()).await?)
            })
        });
        answer.with_context(|| format!("host {}", self.name()))
    }

    /// A reference to the namespace that keeps neither the host nor its workers.
    pub(super) fn namespace(&self) -> Result<Namespace> {
        Ok(Namespace(self.0.namespace.try_clone()?))
    }

    pub(super) fn remains(&self) -> &Remains {
        &self.0.remains
    }

    /// Keeps a worker until the host goes. It must hold no handle to the host.
    pub(super) fn keep(&self, worker: Worker) {
        lock(&self.0.workers).push(worker);
    }
}

/// A network namespace, held.
pub(super) struct Namespace(File);

impl Namespace {
    /// Moves the calling thread into it, for good.
    pub(super) fn enter(&self) -> Result<()> {
        enter(&self.0)
    }
}

impl AsRawFd for Namespace {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn enter(namespace: &File) -> Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET).context("entering the namespace")
}

/// A namespace is a thread's property, so whatever changes it gets a thread that ends afterwards.
fn on_own_thread<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let spawned = thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work);
        match spawned.map(|thread| thread.join()) {
            Ok(Ok(value)) => value,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(error) => panic!("no thread for {name}: {error}"),
        }
    })
}
