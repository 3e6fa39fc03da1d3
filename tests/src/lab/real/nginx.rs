//! nginx.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::super::host::Host;
use super::super::wait::{SOON, wait_until};
use super::{Daemon, Installed, folder};

/// In its log once per start and reload, when it listens.
const READY: &str = "start worker processes";

/// A real nginx that serves the files of a folder of its own; it stops on drop.
pub struct Nginx {
    daemon: Daemon,
    folder: PathBuf,
}

impl Nginx {
    /// Starts it with the files (`("check.txt", "still alive")`) and with `servers`: `server { … }`
    /// blocks of its configuration, in which relative paths mean the folder of the files.
    pub fn start(host: &Host, files: &[(&str, &str)], servers: &str) -> Result<Self> {
        let folder = folder(host, "nginx")?;
        write_all(&folder, files)?;
        fs::write(folder.join("nginx.conf"), config(&folder, servers))?;
        let (installed, prefix) = (Installed::find("nginx")?, folder.clone());
        let daemon = Daemon::start(host, READY, move || {
            let mut command = installed.command();
            command.arg("-p").arg(&prefix).args(["-c", "nginx.conf", "-e", "stderr"]);
            command
        })?;
        Ok(Self { daemon, folder })
    }

    /// A server on port 443 of all addresses, with the files `cert.pem` and `key.pem`.
    pub const TLS: &str = "server { listen 443 ssl; listen [::]:443 ssl; \
                           ssl_certificate cert.pem; ssl_certificate_key key.pem; }";

    /// Plain HTTP on port 80 of all addresses, with these files.
    pub fn plain(host: &Host, files: &[(&str, &str)]) -> Result<Self> {
        Self::start(host, files, "server { listen 80; listen [::]:80; }")
    }

    /// Writes or replaces a file that it serves.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        write_all(&self.folder, &[(name, text)])
    }

    /// Removes a file that it serves.
    pub fn remove(&self, name: &str) -> Result<()> {
        Ok(fs::remove_file(self.folder.join(name))?)
    }

    /// Has it go on with other `servers`; open connections go on with the old ones.
    ///
    /// # Errors
    /// Also when nginx refuses them and goes on as before.
    pub fn reload(&self, servers: &str) -> Result<()> {
        fs::write(self.folder.join("nginx.conf"), config(&self.folder, servers))?;
        let program = self.daemon.program.as_ref().context("nginx is stopped")?;
        let before = program.log().len();
        let told = |text: &str| program.log()[before..].contains(text);
        program.signal(Signal::SIGHUP);
        wait_until(SOON, "nginx reloads", || told(READY) || told("[emerg]"))?;
        ensure!(told(READY), "nginx refuses its configuration: {}", &program.log()[before..]);
        Ok(())
    }

    /// Ends it; its connections are closed.
    pub fn stop(&mut self) -> Result<()> {
        self.daemon.stop()
    }

    /// Starts it again.
    pub fn resume(&mut self) -> Result<()> {
        self.daemon.resume()
    }

    /// The requests that it has answered, one a line: `192.0.2.1 "GET / HTTP/1.1" 200 "AGENT"`.
    pub fn accesses(&self) -> Result<Vec<String>> {
        match fs::read_to_string(self.folder.join("access.log")) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// What it has complained of since it was started last.
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}

fn write_all(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (name, text) in files {
        // Renamed into place: nobody is served half a file.
        let draft = folder.join(format!("{name}.draft"));
        fs::write(&draft, text)?;
        fs::rename(&draft, folder.join(name))?;
    }
    Ok(())
}

fn config(folder: &Path, servers: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path temporary;\n"))
        .concat();
    format!(
        "daemon off;\nuser root;\npid nginx.pid;\nworker_processes 1;\nerror_log stderr notice;\n\
         events {{}}\n\
         http {{\n{temporary}  \
         log_format short '$remote_addr \"$request\" $status \"$http_user_agent\"';\n  \
         access_log access.log short;\n  root {};\n{servers}\n}}\n",
        folder.display()
    )
}
