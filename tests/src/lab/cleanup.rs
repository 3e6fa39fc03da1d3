//! What a lab leaves outside its namespaces, and how that goes away.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::thread;

use anyhow::{Context, Result};
use lb_agent::host::{BPFFS, mount_bpffs};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::program::Process;

const PREFIX: &str = "lb-lab-";
/// Inside a lab's folder: locked while the lab lives, so that a later one can tell what a killed
/// process has left.
const LOCK: &str = "alive";

static LABS: Mutex<Vec<Weak<Remains>>> = Mutex::new(Vec::new());

/// From now on SIGINT, SIGTERM and SIGHUP remove all labs before they end the process.
pub fn remove_on_signal() -> Result<()> {
    static INSTALLED: Once = Once::new();
    let mut outcome = Ok(());
    INSTALLED.call_once(|| {
        outcome = Signals::new([SIGINT, SIGTERM, SIGHUP]).map(|mut signals| {
            thread::spawn(move || {
                for signal in signals.forever() {
                    let labs: Vec<_> = lock(&LABS).iter().filter_map(Weak::upgrade).collect();
                    labs.iter().for_each(|lab| lab.remove());
                    let _ = emulate_default_handler(signal);
                }
            });
        });
    });
    outcome.context("installing the signal handler")
}

/// The folders and the programs of one lab.
pub(super) struct Remains {
    id: String,
    folder: PathBuf,
    programs: Mutex<Vec<Weak<Process>>>,
    _alive: File,
}

impl Remains {
    /// Makes the lab's folder, and removes those of labs whose process is gone.
    pub(super) fn new(name: &str) -> Result<Arc<Self>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{PREFIX}{name}-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(&id);
        fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
        // Locked before it gets its name, so that nobody finds it unlocked.
        let draft = folder.join("draft");
        let alive = File::create(&draft)?;
        alive.lock()?;
        fs::rename(&draft, folder.join(LOCK))?;
        let remains = Arc::new(Self { id, folder, programs: Mutex::default(), _alive: alive });
        let mut labs = lock(&LABS);
        labs.retain(|lab| lab.strong_count() > 0);
        labs.push(Arc::downgrade(&remains));
        Ok(remains)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn bpf_folder(&self) -> Result<PathBuf> {
        mount_bpffs(Path::new(BPFFS))?;
        let folder = Path::new(BPFFS).join(&self.id);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        Ok(folder)
    }

    /// A path for the log of a program.
    pub(super) fn log_path(&self, program: &str) -> PathBuf {
        let number = lock(&self.programs).len();
        self.folder.join(format!("{number:03}-{program}.log"))
    }

    pub(super) fn logs(&self) -> String {
        let mut paths: Vec<_> = fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        paths.sort();
        let show = |path: &PathBuf| {
            let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            format!("---- {} {name}\n{text}", self.id)
        };
        paths.iter().map(show).collect()
    }

    pub(super) fn register(&self, program: &Arc<Process>) {
        lock(&self.programs).push(Arc::downgrade(program));
    }

    /// Stops the programs and removes the folders. A second time does nothing.
    pub(super) fn remove(&self) {
        let programs = std::mem::take(&mut *lock(&self.programs));
        programs.iter().filter_map(Weak::upgrade).for_each(|program| program.stop());
        remove_folders(&self.id);
    }
}

/// A lock that a panicking test can't poison for the clean-up after it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove_folders(id: &str) {
    // Either may be missing.
    let _ = fs::remove_dir_all(Path::new(BPFFS).join(id));
    let _ = fs::remove_dir_all(std::env::temp_dir().join(id));
}

/// Removes what labs have left whose process was killed.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let id = entry.file_name().to_string_lossy().into_owned();
        let dead = || File::open(entry.path().join(LOCK)).is_ok_and(|file| file.try_lock().is_ok());
        if id.starts_with(PREFIX) && dead() {
            remove_folders(&id);
        }
    }
}
