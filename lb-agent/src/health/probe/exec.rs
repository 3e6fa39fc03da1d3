//! A command on the director.

use super::{Outcome, words};
use crate::health::check::Exec;
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::{Pid, User, setsid},
};
use std::{
    io,
    net::SocketAddr,
    os::{
        fd::OwnedFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe::Receiver,
    runtime::Handle,
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
    task::spawn_blocking,
};

/// Starts commands, a few at a time: each start takes a thread until the kernel has read the
/// program, which can be long when its disk hangs.
#[derive(Debug)]
pub(super) struct Starts(Arc<Semaphore>);

impl Default for Starts {
    fn default() -> Self {
        const AT_A_TIME: usize = 16;
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

impl Starts {
    /// Runs the command to its end. Then, or when this is dropped, all processes of its session's
    /// first process group are killed.
    pub(super) async fn run(&self, exec: &Exec, target: SocketAddr) -> Outcome {
        // Before the start, so that no end is missed.
        let mut ends = signal(SignalKind::child()).map_err(|error| words::io(&error))?;
        let turn = self.0.clone().acquire_owned().await.map_err(|error| error.to_string())?;
        let exec = exec.clone();
        let started = spawn_blocking(move || {
            let _turn = turn;
            start(&exec, target)
        });
        let (group, output) = started.await.map_err(|error| error.to_string())??;
        let receiver = Receiver::from_owned_fd(output).map_err(|error| words::io(&error))?;
        let mut output = Output { receiver: Some(receiver), tail: Vec::new(), read: 0 };
        while !group.has_ended()? {
            tokio::select! {
                _ = ends.recv() => {}
                () = output.read(), if output.receiver.is_some() => {}
            }
        }
        output.rest();
        let status = group.end().map_err(|error| words::io(&error))?;
        judge(status, &output.tail)
    }
}

fn start(exec: &Exec, target: SocketAddr) -> Result<(Group, OwnedFd), String> {
    let user = user(&exec.user)?;
    let (program, arguments) = exec.command.split_first().ok_or("there is no command")?;
    let failed = |error: io::Error| format!("cannot start {program}: {}", words::io(&error));
    let (output, input) = io::pipe().map_err(failed)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LB_SERVER_ADDRESS", target.ip().to_string())
        .env("LB_SERVER_PORT", target.port().to_string())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(input.try_clone().map_err(failed)?)
        .stderr(input)
        // With a user, the standard library takes root's supplementary groups away as well.
        .gid(user.gid.as_raw())
        .uid(user.uid.as_raw());
    leave_the_agent(&mut command);
    let child = command.spawn().map_err(failed)?;
    Ok((Group(Some(child)), OwnedFd::from(output)))
}

fn user(name: &str) -> Result<User, String> {
    match User::from_name(name) {
        Ok(Some(user)) if user.uid.is_root() => {
            Err(format!("user \"{name}\" is root; name one without privileges"))
        }
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(format!("there is no user \"{name}\"")),
        Err(error) => Err(format!("cannot look up user \"{name}\": {}", words::errno(error))),
    }
}

/// A session of its own, which is a process group to kill and has no terminal of the agent's, and
/// none of the files that the agent itself has inherited open.
#[expect(unsafe_code, reason = "what has to be done between fork and exec")]
fn leave_the_agent(command: &mut Command) {
    let leave = || {
        const FIRST: libc::c_uint = 3;
        setsid()?;
        // SAFETY: the call takes numbers alone; it closes nothing before exec.
        let result = unsafe {
            libc::close_range(FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int)
        };
        Errno::result(result)?;
        Ok(())
    };
    // SAFETY: setsid(2) and close_range(2) are bare system calls; the closure neither allocates
    // nor locks.
    unsafe { command.pre_exec(leave) };
}

/// A command's process group: its leader, until it is reaped.
struct Group(Option<Child>);

impl Group {
    /// Whether the leader has ended. It stays a zombie, so that its number remains its group's.
    fn has_ended(&self) -> Result<bool, String> {
        let Some(leader) = self.leader() else { return Ok(true) };
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(leader), flags) {
            Ok(status) => Ok(status != WaitStatus::StillAlive),
            // Ended by a real-time signal, which nix has no name for.
            Err(Errno::EINVAL) => Ok(true),
            Err(error) => Err(words::errno(error)),
        }
    }

    /// Kills what the leader, which has ended, has left behind.
    fn end(mut self) -> io::Result<ExitStatus> {
        self.kill();
        match self.0.take() {
            Some(mut leader) => leader.wait(),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn kill(&self) {
        if let Some(leader) = self.leader() {
            // Fails only if nobody is left.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }

    fn leader(&self) -> Option<Pid> {
        self.0.as_ref().and_then(|child| i32::try_from(child.id()).ok()).map(Pid::from_raw)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        if let Some(leader) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(reap(leader));
        }
    }
}

/// Waits for a process that was killed.
async fn reap(mut leader: Child) {
    let Ok(mut ends) = signal(SignalKind::child()) else { return };
    while let Ok(None) = leader.try_wait() {
        ends.recv().await;
    }
}

/// The end of what a command says.
struct Output {
    /// None once it is at its end.
    receiver: Option<Receiver>,
    tail: Vec<u8>,
    read: usize,
}

impl Output {
    /// What a command may say, in bytes; then nobody listens, and it gets SIGPIPE.
    const MAX: usize = 1 << 20;
    /// What is kept of it.
    const TAIL: usize = 4 << 10;

    /// Reads what comes next.
    async fn read(&mut self) {
        let Some(receiver) = &mut self.receiver else { return };
        let read = receiver.read_buf(&mut self.tail).await.unwrap_or(0);
        self.count(read);
    }

    /// Reads what is there already; the pipe itself is asked, since the runtime may not know yet.
    fn rest(&mut self) {
        let mut chunk = [0; Self::TAIL];
        while let Some(receiver) = &self.receiver {
            let read = nix::unistd::read(receiver, &mut chunk).unwrap_or(0);
            self.tail.extend_from_slice(&chunk[..read]);
            self.count(read);
        }
    }

    fn count(&mut self, read: usize) {
        self.read += read;
        if read == 0 || self.read > Self::MAX {
            self.receiver = None;
        }
        self.tail.drain(..self.tail.len().saturating_sub(Self::TAIL));
    }
}

/// The exit code is the verdict; the last line of the output tells more.
fn judge(status: ExitStatus, output: &[u8]) -> Outcome {
    const SHOWN: usize = 120;
    let last = output.trim_ascii().rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
    let said = match words::excerpt(last, SHOWN) {
        said if said.is_empty() => String::new(),
        said => format!(": {said}"),
    };
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(format!("exit code 0{said}")),
        (Some(code), _) => Err(format!("exit code {code}{said}")),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => Err(format!("ended by {signal}{said}")),
            Err(_) => Err(format!("ended by signal {number}{said}")),
        },
        (None, None) => Err(format!("ended with {status}")),
    }
}
