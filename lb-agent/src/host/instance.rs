use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen,
    socket, sockopt,
};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// An abstract unix socket: its name is taken once per network namespace, and free again when its
/// owner is gone, however that came.
const NAME: &[u8] = b"lb-agent";

/// The right to be the agent of this network namespace, as long as it lives.
#[derive(Debug)]
pub struct Instance {
    _socket: OwnedFd,
}

/// Why this process can't be the agent.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Another one is.
    #[error("another lb-agent runs in this network namespace{}", process(*pid))]
    Running {
        /// Its process id, if that can be told.
        pid: Option<u32>,
    },
    /// The socket that tells can't be made.
    #[error("can't find out whether another lb-agent runs: {0}")]
    Unknown(#[from] io::Error),
}

impl Instance {
    /// Takes the right for this thread's network namespace.
    ///
    /// # Errors
    /// Another process has it.
    pub fn claim() -> Result<Self, InstanceError> {
        let socket = open()?;
        match bind(socket.as_raw_fd(), &name()?) {
            Ok(()) => {}
            Err(Errno::EADDRINUSE) => return Err(InstanceError::Running { pid: owner() }),
            Err(error) => return Err(io::Error::from(error).into()),
        }
        // Nobody is answered: connecting is enough to learn the process id.
        listen(&socket, Backlog::MAXCONN).map_err(io::Error::from)?;
        Ok(Self { _socket: socket })
    }
}

fn open() -> io::Result<OwnedFd> {
    // Blocking, a connection would wait for room when many have come before.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(AddressFamily::Unix, SockType::Stream, flags, None)?)
}

fn name() -> io::Result<UnixAddr> {
    Ok(UnixAddr::new_abstract(NAME)?)
}

/// The process that listens on the name.
fn owner() -> Option<u32> {
    let socket = open().ok()?;
    connect(socket.as_raw_fd(), &name().ok()?).ok()?;
    let credentials = getsockopt(&socket, sockopt::PeerCredentials).ok()?;
    // A process of another pid namespace shows as 0.
    u32::try_from(credentials.pid()).ok().filter(|pid| *pid != 0)
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(": process {pid}")).unwrap_or_default()
}
