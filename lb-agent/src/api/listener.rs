use nix::sys::stat::{Mode, fchmod};
use nix::unistd::Group;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use thiserror::Error;
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Who may speak to the agent: its user and one group.
const MODE: u32 = 0o660;

/// Connections that wait to be accepted; more are refused.
const BACKLOG: u32 = 128;

/// The socket on which the agent listens. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Device and inode of the file, to recognise it.
    file: (u64, u64),
}

/// Why the agent cannot listen.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another agent answers on this socket.
    #[error("{}: another agent answers here; stop it first, or choose another socket", .0.display())]
    InUse(PathBuf),
    /// Another agent is about to listen in this folder.
    #[error("{}: another agent is starting in this folder", .0.display())]
    Starting(PathBuf),
    /// Something that is not a socket has this name.
    #[error("{}: not a socket; remove it, or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// There is no such group.
    #[error("this host has no group {0:?}; create it with groupadd, or name another")]
    NoGroup(String),
    /// The group cannot be looked up.
    #[error("cannot look up the group {name:?}: {source}")]
    Group {
        /// Its name.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// The system refuses.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Listener {
    /// Listens on `path`, for the agent's user and for `group`; by default, for the agent's own
    /// group. Creates the folder; replaces the socket of an agent that is gone, and refuses to take
    /// that of one that answers.
    pub async fn bind(path: impl Into<PathBuf>, group: Option<&str>) -> Result<Self, BindError> {
        let path = path.into();
        let group = group.map(find_group).transpose()?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        create_folder(folder).map_err(failed("create the folder", folder))?;

        // Held from looking to binding, so that two agents cannot both find the socket stale.
        let lock = File::open(folder).map_err(failed("open the folder", folder))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => BindError::Starting(path.clone()),
            fs::TryLockError::Error(source) => failed("lock the folder", folder)(source),
        })?;
        refuse_live(&path).await?;

        remove(&path).map_err(failed("remove", &path))?;
        let socket = UnixSocket::new_stream().map_err(failed("listen on", &path))?;
        // The file gets the socket's mode without the bits of the umask: nobody else gets in
        // between.
        fchmod(&socket, Mode::from_bits_truncate(MODE))
            .map_err(|error| failed("listen on", &path)(error.into()))?;
        socket.bind(&path).map_err(failed("listen on", &path))?;
        lchown(&path, None, group)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(MODE)))
            .and_then(|()| Ok((identity(&path)?, socket.listen(BACKLOG)?)))
            .map_err(|source| {
                let _ = fs::remove_file(&path);
                failed("listen on", &path)(source)
            })
            .map(|(file, socket)| Self { socket, path, file })
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.socket.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Another agent may have put its own socket here.
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Number of a group of this host.
fn find_group(name: &str) -> Result<u32, BindError> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(BindError::NoGroup(name.to_owned())),
        Err(error) => Err(BindError::Group { name: name.to_owned(), source: error.into() }),
    }
}

/// Whatever the umask: who may use the socket is said by its own mode.
fn create_folder(folder: &Path) -> io::Result<()> {
    const MODE: u32 = 0o755;
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(MODE))
}

/// Makes sure that nobody listens on `path`.
async fn refuse_live(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return Err(BindError::NotASocket(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path)(error)),
    }
    match UnixStream::connect(path).await {
        // With its queue full (EAGAIN) it is slow, but there.
        Ok(_) => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(BindError::InUse(path.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(failed("ask who listens on", path)(error)),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BindError {
    let path = path.to_owned();
    move |source| BindError::Io { action, path, source }
}
