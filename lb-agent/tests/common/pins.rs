use lb_agent::dataplane::DEFAULT_ROOT;
use lb_common::abi::ABI_VERSION;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder for pins that nobody else uses; it goes with everything in it.
pub(crate) struct Pins {
    pub(crate) root: PathBuf,
}

impl Pins {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { root: format!("{DEFAULT_ROOT}-test-{}-{number}", std::process::id()).into() }
    }

    /// The folder of an ABI version.
    pub(crate) fn version(&self, version: u32) -> PathBuf {
        self.root.join(format!("v{version}"))
    }

    /// A pin of this ABI version.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.version(ABI_VERSION).join(name)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}
