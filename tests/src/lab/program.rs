//! A real program inside a namespace.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::cleanup::lock;
use super::host::Host;
use super::sys;
use super::wait::{wait_for, wait_until};

/// How long a program has after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

impl Host {
    /// Starts a program inside the host; it sees the machine's files as they are. What it writes
    /// goes to a log, which [`super::Lab::logs`] shows as well. It gets SIGTERM, later SIGKILL,
    /// when the handle is dropped, and doesn't outlive this process.
    pub fn spawn(&self, mut command: Command) -> Result<Program> {
        let name = PathBuf::from(command.get_program());
        let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = self.remains().log_path(&format!("{name}-on-{}", self.name()));
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // Ctrl-C is for us: we stop the programs in order.
        command.process_group(0);
        sys::die_with_thread(&mut command);
        let process = Process::start(self, command).with_context(|| format!("starting {name}"))?;
        self.remains().register(&process);
        Ok(Program { name, log, process })
    }
}

/// A running program. Stopped on drop.
pub struct Program {
    name: String,
    log: PathBuf,
    process: Arc<Process>,
}

impl Program {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.process.pid.as_raw()
    }

    /// What it has written so far, to standard output and standard error.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until its log contains `text`.
    ///
    /// # Errors
    /// When it doesn't within `limit`, or when the program ends before.
    pub fn wait_for_log(&self, limit: Duration, text: &str) -> Result<()> {
        let what = format!("{text:?} in the log of {}", self.name);
        let mut ended = None;
        wait_until(limit, &what, || {
            ended = self.status(); // asked first: the log is complete once the program has ended
            self.log().contains(text) || ended.is_some()
        })?;
        match ended {
            Some(status) if !self.log().contains(text) => bail!("{}: {status}", self.name),
            _ => Ok(()),
        }
    }

    /// How it ended, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        *lock(&self.process.ended)
    }

    /// Waits for its end.
    pub fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        wait_for(limit, &format!("the end of {}", self.name), || self.status())
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.process.stop();
    }
}

/// The process behind a [`Program`], shared with the lab's clean-up.
pub(super) struct Process {
    pid: Pid,
    ended: Mutex<Option<ExitStatus>>,
    has_ended: Condvar,
}

impl Process {
    /// Starts the command from a thread of its own in the host's namespace. The thread stays until
    /// the program ends, because the kernel ties the parent-death signal to it.
    fn start(host: &Host, mut command: Command) -> Result<Arc<Self>> {
        let (report, started) = mpsc::channel();
        let namespace = host.namespace()?;
        thread::Builder::new().name("program".to_owned()).spawn(move || {
            let spawned =
                namespace.enter().and_then(|()| command.spawn().map_err(anyhow::Error::from));
            drop((command, namespace)); // the log's file and the namespace: the program has its own
            let mut child = match spawned {
                Ok(child) => child,
                Err(error) => return drop(report.send(Err(error))),
            };
            let pid = Pid::from_raw(child.id() as i32);
            let process =
                Arc::new(Self { pid, ended: Mutex::default(), has_ended: Condvar::default() });
            // A receiver that is gone means that nobody wants the program any more.
            if report.send(Ok(process.clone())).is_err() {
                process.signal(Signal::SIGKILL);
            }
            // Reaped under the lock, so that nobody signals a process id that is somebody else's.
            let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
            let mut ended = lock(&process.ended);
            *ended = child.wait().ok();
            process.has_ended.notify_all();
        })?;
        started.recv().context("the thread that starts the program is gone")?
    }

    fn signal(&self, signal: Signal) {
        let ended = lock(&self.ended);
        if ended.is_none() {
            let _ = kill(self.pid, signal);
        }
    }

    /// Ends the program, at once if it doesn't end by itself.
    pub(super) fn stop(&self) {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            self.signal(signal);
            let ended = lock(&self.ended);
            let waited = self.has_ended.wait_timeout_while(ended, GRACE, |ended| ended.is_none());
            if waited.unwrap_or_else(PoisonError::into_inner).0.is_some() {
                return;
            }
        }
    }
}
