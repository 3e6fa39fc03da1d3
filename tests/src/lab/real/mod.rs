//! Real servers: Debian's, from the machine or from where `cargo xtask test` has unpacked them.

mod authority;
mod dnsmasq;
mod nginx;
mod smtp;

use std::env::{self, consts::ARCH};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

pub use authority::Authority;
pub use dnsmasq::Dnsmasq;
pub use nginx::Nginx;
pub use smtp::Smtp;

use super::host::Host;
use super::program::Program;
use super::wait::SOON;

/// Names the folder where packages are unpacked; `.cargo/config.toml` sets it.
const UNPACKED: &str = "LB_LAB_SERVERS";

/// A server's program in a host, which can be stopped and started again.
struct Daemon {
    host: Host,
    command: Box<dyn Fn() -> Command + Send>,
    /// In its log once it listens.
    ready: &'static str,
    program: Option<Program>,
}

impl Daemon {
    /// Starts what `command` makes, and waits until it listens.
    fn start(
        host: &Host,
        ready: &'static str,
        command: impl Fn() -> Command + Send + 'static,
    ) -> Result<Self> {
        let mut daemon =
            Self { host: host.clone(), command: Box::new(command), ready, program: None };
        daemon.resume()?;
        Ok(daemon)
    }

    /// Starts it again, and waits until it listens.
    fn resume(&mut self) -> Result<()> {
        ensure!(self.program.is_none(), "it runs already");
        let program = self.host.spawn((self.command)())?;
        program.wait_for_log(SOON, self.ready).with_context(|| program.log())?;
        self.program = Some(program);
        Ok(())
    }

    /// Ends it and waits until it has: its port is closed then.
    fn stop(&mut self) -> Result<()> {
        if let Some(program) = self.program.take() {
            program.signal(Signal::SIGTERM);
            program.wait(SOON)?;
        }
        Ok(())
    }

    /// What it has written since it was started last; nothing while it is stopped.
    fn log(&self) -> String {
        self.program.as_ref().map(Program::log).unwrap_or_default()
    }
}

/// A folder for a server on a host; each call makes another one.
fn folder(host: &Host, server: &str) -> Result<PathBuf> {
    let name = |number| host.remains().folder().join(format!("{server}-{}-{number}", host.name()));
    let free = (0..).map(name).find(|folder| !folder.exists()).context("no name is free")?;
    fs::create_dir(&free).with_context(|| format!("creating {}", free.display()))?;
    Ok(free)
}

/// The path of a server's program, and what its dynamic linker is to be told.
struct Installed {
    program: PathBuf,
    libraries: String,
}

impl Installed {
    /// Looks for it on the machine, then among what was unpacked.
    fn find(program: &str) -> Result<Self> {
        let unpacked = env::var_os(UNPACKED).map(PathBuf::from).unwrap_or_default();
        let roots = [Path::new("/"), &unpacked];
        let mut paths = roots
            .iter()
            .flat_map(|root| ["usr/sbin", "usr/bin"].map(|folder| root.join(folder).join(program)));
        let found = paths.find(|path| path.exists()).with_context(|| {
            format!("there is no {program}: `cargo xtask test` fetches it, or Debian's package")
        })?;
        let folders = ["usr/lib", "lib"]
            .map(|lib| unpacked.join(lib).join(format!("{ARCH}-linux-gnu")).display().to_string());
        Ok(Self { program: found, libraries: folders.join(":") })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("LD_LIBRARY_PATH", &self.libraries);
        command
    }
}
