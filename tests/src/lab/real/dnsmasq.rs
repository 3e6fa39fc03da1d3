//! dnsmasq.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::super::host::Host;
use super::{Daemon, Installed, folder};

/// A real dnsmasq that answers for the names that it was given and refuses others; it stops on
/// drop.
pub struct Dnsmasq {
    daemon: Daemon,
    file: PathBuf,
}

impl Dnsmasq {
    /// Starts it on port 53 of all addresses with lines of its configuration, like
    /// `host-record=www.example.net,192.0.2.80`.
    pub fn start(host: &Host, lines: &[&str]) -> Result<Self> {
        let file = folder(host, "dnsmasq")?.join("dnsmasq.conf");
        fs::write(&file, config(lines))?;
        let (installed, path) = (Installed::find("dnsmasq")?, file.clone());
        let daemon = Daemon::start(host, "started, version", move || {
            let mut command = installed.command();
            command.arg(format!("--conf-file={}", path.display()));
            command
        })?;
        Ok(Self { daemon, file })
    }

    /// Ends it.
    pub fn stop(&mut self) -> Result<()> {
        self.daemon.stop()
    }

    /// Starts it again.
    pub fn resume(&mut self) -> Result<()> {
        self.daemon.resume()
    }

    /// Goes on with other lines.
    pub fn restart_with(&mut self, lines: &[&str]) -> Result<()> {
        self.stop()?;
        fs::write(&self.file, config(lines))?;
        self.resume()
    }
}

fn config(lines: &[&str]) -> String {
    let own = "keep-in-foreground\nlog-facility=-\nlog-queries\nuser=root\npid-file=\nno-resolv\n\
               no-hosts\nno-negcache\n";
    lines.iter().fold(own.to_owned(), |text, line| text + line + "\n")
}
