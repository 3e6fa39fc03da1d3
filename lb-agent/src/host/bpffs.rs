use super::{Error, refused};
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use std::path::Path;

/// Where the BPF file system belongs.
pub const BPFFS: &str = "/sys/fs/bpf";

/// Makes sure that a BPF file system is mounted on `path`, for the pins. Returns whether it was
/// mounted now.
///
/// # Errors
/// It isn't mounted and can't be.
pub fn mount_bpffs(path: &Path) -> Result<bool, Error> {
    let found = statfs(path)
        .map_err(|error| refused(|| format!("look at {}", path.display()))(error.into()))?;
    if found.filesystem_type() == BPF_FS_MAGIC {
        return Ok(false);
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), path, Some("bpf"), flags, Some("mode=0700")).map_err(|error| {
        refused(|| format!("mount a BPF file system on {}", path.display()))(error.into())
    })?;
    Ok(true)
}
