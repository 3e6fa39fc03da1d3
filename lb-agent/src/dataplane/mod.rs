//! The data plane in the kernel: loaded, pinned, adopted, attached, and its maps read and written.
//!
//! Pins are below one folder for each ABI version: the maps by name, `program`, and a `link-…`
//! for each interface. They outlive the agent, so that traffic flows on without it.

mod attach;
mod flows;
mod hook;
mod load;
mod loads;
mod mapped;
mod maps;
mod packet_log;
mod pins;
mod raw;
mod slots;
mod spec;
mod sys;
mod unresolved;

pub use attach::Attached;
pub use flows::Flows;
pub use loads::Loads;
pub use packet_log::PacketLog;
pub use pins::DEFAULT_ROOT;
pub use unresolved::Unresolved;

use crate::plan::{Observed, Op};
use aya::{Ebpf, EbpfError, maps::MapError, programs::ProgramError};
use lb_common::{
    abi::{Flow, FlowKey, Stats, key_kind, map},
    reason::Reason,
};
use nix::time::{ClockId, clock_gettime};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The loaded program and the pinned maps.
pub struct Dataplane {
    folder: pins::Folder,
    ebpf: Ebpf,
    program_id: u32,
    maps: maps::Maps,
    warnings: Vec<String>,
}

/// Why the kernel's half can't be reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pins cannot be made, read or removed.
    #[error("pins in {}: {source}", path.display())]
    Pins {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is pinned doesn't fit.
    #[error("{}: {source}", path.display())]
    Pinned {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        source: PinError,
    },
    /// The kernel refuses the program or its maps.
    #[error("loading the XDP program: {0}")]
    Load(#[from] EbpfError),
    /// The kernel refuses the program.
    #[error("loading the XDP program: {0}")]
    Program(#[from] ProgramError),
    /// A map cannot be read or written.
    #[error("map {name}: {source}{}", cause(source))]
    Map {
        /// Its name.
        name: &'static str,
        /// What the kernel says.
        source: MapError,
    },
    /// A map in this process's memory cannot be read or written.
    #[error("map {name}: {source}")]
    Mapped {
        /// Its name.
        name: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
    /// The clock cannot be read.
    #[error("the clock: {0}")]
    Clock(io::Error),
    /// Interfaces cannot be looked up.
    #[error("looking up interfaces: {0}")]
    Netlink(io::Error),
}

/// What is wrong with a pin.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// A pinned map is another kind of map than the program's.
    #[error(
        "the pinned map {name} is not laid out as this version's; \
         take the data plane down with `lb-agent --detach` and start again"
    )]
    Layout {
        /// Its name.
        name: &'static str,
    },
}

impl Dataplane {
    /// What an operator should know about sizes that differ from the configuration's.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The folder of the pins.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether there is a pinned link, so that the maps may be in use without this process.
    pub fn has_links(&self) -> Result<bool, Error> {
        match self.folder.interfaces() {
            Ok(interfaces) => Ok(!interfaces.is_empty()),
            Err(source) => Err(Error::Pins { path: self.folder.path().to_owned(), source }),
        }
    }

    /// Reads what the maps hold.
    pub fn observe(&self) -> Result<Observed, Error> {
        self.maps.observe()
    }

    /// Does one operation.
    pub fn apply(&mut self, op: &Op) -> Result<(), Error> {
        self.maps.apply(op)
    }

    /// The counters of a service, by its id.
    pub fn service_stats(&self, id: u32) -> Result<Stats, Error> {
        self.maps.service_stats(id)
    }

    /// The counters of a server, by its index.
    pub fn server_stats(&self, index: u32) -> Result<Stats, Error> {
        self.maps.server_stats(index)
    }

    /// The live connections of servers, by index.
    pub fn loads(&self) -> &Arc<Loads> {
        self.maps.loads()
    }

    /// How many packets left the data plane for a reason.
    pub fn reason(&self, reason: Reason) -> Result<u64, Error> {
        self.maps.reason(reason)
    }

    /// Visits the flows that are not forgotten at `now`, see [`now`]; a persistence template is
    /// none.
    pub fn visit_flows(
        &self,
        now: u32,
        mut each: impl FnMut(&FlowKey, &Flow),
    ) -> Result<(), Error> {
        self.maps.visit_flows(|key, flow| {
            if key.kind == key_kind::PACKET && !flow.expired(now) {
                each(key, flow);
            }
        })
    }

    /// The flow maps, for a reader of its own.
    pub fn flows(&self) -> Result<Flows, Error> {
        Flows::open(&self.folder)
    }

    /// What the program logs, if it was loaded to log; once. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// It was taken before.
    pub fn packet_log(&mut self) -> io::Result<PacketLog> {
        PacketLog::new(&mut self.ebpf)
    }

    /// The next hops that the data plane asks for. Must be called in a tokio runtime.
    pub fn unresolved(&self) -> Result<Unresolved, Error> {
        let ring = maps::Maps::unresolved(&self.folder)?;
        Unresolved::new(ring)
            .map_err(|error| Error::Map { name: map::UNRESOLVED, source: MapError::IoError(error) })
    }

    /// Takes the data plane down: links first, then program and maps.
    pub fn detach(self) -> Result<(), Error> {
        remove(&self.folder)
    }
}

/// The data plane's clock: whole seconds of the coarse monotonic clock.
pub fn now() -> io::Result<u32> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)?.tv_sec() as u32)
}

fn remove(folder: &pins::Folder) -> Result<(), Error> {
    folder.remove().map_err(|source| Error::Pins { path: folder.path().to_owned(), source })
}

/// aya's messages leave out what the kernel said.
fn cause(error: &MapError) -> String {
    match error {
        MapError::SyscallError(error) => format!(": {}", error.io_error),
        MapError::CreateError { io_error, .. } => format!(": {io_error}"),
        _ => String::new(),
    }
}
