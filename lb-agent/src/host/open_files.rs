use super::{Error, refused};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the number of files that this process may have open as far as it may by itself, and
/// returns it.
///
/// # Errors
/// The limit can't be read or raised.
pub fn raise_open_files_limit() -> Result<u64, Error> {
    raise().map_err(|error| refused(|| "raise the limit of open files".to_owned())(error.into()))
}

fn raise() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}
