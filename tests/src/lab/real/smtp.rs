//! OpenSMTPD.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::super::host::Host;
use super::{Daemon, Installed, folder};

/// Gives the program in its arguments the folders and users that its package would have made on
/// the machine: in a mount namespace, so that nobody else sees them.
const PRIVATE: &str = "
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /var
    ln -s /run /var/run
    mkdir -p /var/lib/opensmtpd/empty /var/mail /var/spool/smtpd
    chmod 711 /var/spool/smtpd
    for file in passwd group; do grep -v ^opensmtp /etc/$file > /run/$file; done
    for user in opensmtpd:65001 opensmtpq:65002; do
        echo ${user%:*}:x:${user#*:}:${user#*:}::/var/lib/opensmtpd/empty:/bin/false >> /run/passwd
        echo ${user%:*}:x:${user#*:}: >> /run/group
    done
    for file in passwd group; do mount --bind /run/$file /etc/$file; done
    exec \"$@\"";

/// A real OpenSMTPD; it stops on drop.
pub struct Smtp {
    daemon: Daemon,
}

impl Smtp {
    /// Starts it on port 25 of all addresses; it greets by the name `mail.example.net`.
    pub fn start(host: &Host) -> Result<Self> {
        let file = folder(host, "smtpd")?.join("smtpd.conf");
        fs::write(
            &file,
            "table aliases { root = root }\n\
             listen on 0.0.0.0 port 25 hostname mail.example.net\n\
             listen on :: port 25 hostname mail.example.net\n\
             action \"local\" mbox alias <aliases>\n\
             match for local action \"local\"\n",
        )?;
        let installed = Installed::find("smtpd")?;
        let daemon = Daemon::start(host, "smtp: will accept at most", move || {
            let mut command = Command::new("unshare");
            command.env("LD_LIBRARY_PATH", &installed.libraries);
            command.args(["--mount", "--propagation", "private", "sh", "-ec", PRIVATE, "sh"]);
            command.arg(&installed.program).args(["-d", "-v", "-f"]).arg(&file);
            command
        })?;
        Ok(Self { daemon })
    }

    /// Ends it.
    pub fn stop(&mut self) -> Result<()> {
        self.daemon.stop()
    }

    /// Starts it again.
    pub fn resume(&mut self) -> Result<()> {
        self.daemon.resume()
    }

    /// What it has written since it was started last: who came, and how each left.
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}
