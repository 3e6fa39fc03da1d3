//! A look at the configuration file, so that a change of it is noticed.

use super::wait_until;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use tracing::warn;

/// Editors write in several steps: so long after the last one the file counts as changed.
const QUIET: Duration = Duration::from_millis(200);

/// Watches a file, or nothing.
#[derive(Default)]
pub(super) struct Watch {
    watched: Option<Watched>,
}

struct Watched {
    path: PathBuf,
    changes: mpsc::Receiver<()>,
    /// When the last change will have been long enough ago.
    settled: Option<Instant>,
    /// Watches as long as it exists.
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches this file from now on, and no other.
    pub(super) fn follow(&mut self, path: Option<&Path>) {
        if self.watched.as_ref().map(|watched| &*watched.path) == path {
            return;
        }
        self.watched = path.and_then(|path| match watch(path) {
            Ok(watched) => Some(watched),
            Err(error) => {
                warn!("{} can't be watched for changes: {error}", path.display());
                None
            }
        });
    }

    /// Waits until the file has changed. May be cancelled.
    pub(super) async fn changed(&mut self) {
        let Some(watched) = &mut self.watched else { return std::future::pending().await };
        loop {
            let settled = watched.settled;
            tokio::select! {
                change = watched.changes.recv() => match change {
                    Some(()) => watched.settled = Some(Instant::now() + QUIET),
                    None => return std::future::pending().await,
                },
                () = wait_until(settled) => {
                    watched.settled = None;
                    return;
                }
            }
        }
    }
}

/// The folder is watched, not the file: most editors replace it.
fn watch(path: &Path) -> notify::Result<Watched> {
    let path = path.to_owned();
    let name = path.file_name().map(ToOwned::to_owned);
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let (tell, changes) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let concerns = |event: &notify::Event| {
            (event.kind.is_modify() || event.kind.is_create())
                && event.paths.iter().any(|path| path.file_name() == name.as_deref())
        };
        if event.is_ok_and(|event| concerns(&event)) {
            // If the channel is full, a change is told already.
            let _ = tell.try_send(());
        }
    })?;
    watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    Ok(Watched { path, changes, settled: None, _watcher: watcher })
}
