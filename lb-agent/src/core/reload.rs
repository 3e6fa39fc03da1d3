//! Reading the configuration file beside everything else: a large one takes seconds.

use super::{BadConfig, agent::Agent, follow, learn_ways, load_config};
use crate::{api::Refusal, config::Config};
use lb_common::api::{EventKind, Problem};
use std::{mem, path::Path, path::PathBuf};
use tokio::{
    sync::oneshot,
    task::{JoinError, JoinHandle},
};
use tracing::error;

/// Who waits for the outcome.
pub(super) type Reply = oneshot::Sender<Result<Vec<Problem>, Refusal>>;

/// What came of reading the file.
pub(super) struct Loaded {
    result: Result<Config, Vec<Problem>>,
    replies: Vec<Reply>,
}

/// Reads the file, once at a time.
#[derive(Default)]
pub(super) struct Reload {
    reading: Option<JoinHandle<Result<Config, BadConfig>>>,
    replies: Vec<Reply>,
    /// Asked for while the file was being read: it may have changed since.
    next: Option<(PathBuf, Vec<Reply>)>,
}

impl Reload {
    /// Begins to read the file, now or when it has been read.
    pub(super) fn begin(&mut self, path: &Path, reply: Option<Reply>) {
        if self.reading.is_some() {
            let (_, replies) = self.next.get_or_insert_with(|| (path.to_owned(), Vec::new()));
            replies.extend(reply);
            return;
        }
        let path = path.to_owned();
        self.reading = Some(tokio::task::spawn_blocking(move || load_config(&path)));
        self.replies.extend(reply);
    }

    /// Waits until the file has been read; for ever if nobody has asked. May be cancelled.
    pub(super) async fn loaded(&mut self) -> Loaded {
        let Some(reading) = &mut self.reading else { return std::future::pending().await };
        let result = reading.await;
        self.reading = None;
        let replies = mem::take(&mut self.replies);
        if let Some((path, waiting)) = self.next.take() {
            self.begin(&path, None);
            self.replies = waiting;
        }
        Loaded { result: outcome(result), replies }
    }
}

impl Agent {
    /// Reads the configuration file again.
    pub(super) fn begin_reload(&mut self, reply: Option<Reply>) {
        self.reload.begin(&self.options.config, reply);
    }

    /// Applies a configuration file that was read. One that can't be used changes nothing.
    pub(super) async fn take_file(&mut self, loaded: Loaded) {
        let outcome = match loaded.result {
            Ok(config) => self.replace_file(config).await.map(|()| Vec::new()),
            Err(problems) => {
                for problem in &problems {
                    error!("{problem}");
                }
                let message = match problems.len() {
                    1 => "the file has a problem, the configuration stays as it was".to_owned(),
                    many => {
                        format!("the file has {many} problems, the configuration stays as it was")
                    }
                };
                self.events.warn(EventKind::Reload, None, None, message);
                Ok(problems)
            }
        };
        for reply in loaded.replies {
            // Who asked may be gone.
            let _ = reply.send(outcome.clone());
        }
    }

    async fn replace_file(&mut self, config: Config) -> Result<(), Refusal> {
        let group = self.running.file.group.clone();
        let (old, changed) = self.running.replace(config, &self.edits);
        follow(&mut self.resolver, &self.running.config, &changed.hosts);
        learn_ways(&mut self.resolver).await;
        self.follow_config(&changed);
        let ops = match self.plan() {
            Ok(ops) => ops,
            Err(error) => {
                let (_, changed) = self.running.replace(old, &self.edits);
                follow(&mut self.resolver, &self.running.config, &changed.hosts);
                self.follow_config(&changed);
                let message = format!("{error}; the configuration stays as it was");
                self.events.warn(EventKind::Reload, None, None, message.clone());
                return Err(Refusal::Conflict(message));
            }
        };
        self.prune_edits();
        if self.running.file.group != group {
            let message = "control.group takes effect when the agent starts again";
            self.events.warn(EventKind::Reload, None, None, message);
        }
        self.watch.follow(self.running.file.autoreload.then_some(&*self.options.config));
        let applied = self.apply(&ops);
        let attached = self.attach().await;
        let message =
            format!("the configuration was read again: {} changes of the maps", ops.len());
        self.events.record(EventKind::Reload, None, None, message);
        self.note([applied, attached]);
        Ok(())
    }
}

impl Agent {
    /// Forgets the edits that the file has taken over.
    fn prune_edits(&mut self) {
        let pruned = self.edits.prune(&self.running.file);
        // Where they can't be written: kept edits that change nothing do no harm.
        if pruned != *self.edits && self.store.save(pruned.clone()).is_ok() {
            self.edits = pruned.into();
            let changed = self.running.apply(&self.edits);
            self.follow_config(&changed);
        }
    }
}

fn outcome(result: Result<Result<Config, BadConfig>, JoinError>) -> Result<Config, Vec<Problem>> {
    match result {
        Ok(Ok(config)) => Ok(config),
        Ok(Err(BadConfig(problems))) => Err(problems),
        Err(error) => Err(vec![Problem {
            file: String::new(),
            line: 0,
            column: 0,
            field: String::new(),
            message: format!("reading the configuration file failed: {error}"),
        }]),
    }
}
