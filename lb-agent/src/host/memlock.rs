use super::{Error, refused};
use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// Raises this process's limit of locked memory, to none if it may: kernels before 5.11 count BPF
/// maps against it, so that loading them may fail there if less is allowed.
///
/// # Errors
/// The limit can't be read or raised.
pub fn raise_locked_memory_limit() -> Result<(), Error> {
    raise().map_err(|error| refused(|| "raise the limit of locked memory".to_owned())(error.into()))
}

fn raise() -> nix::Result<()> {
    match setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY) {
        // Without CAP_SYS_RESOURCE the hard limit stays.
        Err(Errno::EPERM) => {
            let (_, hard) = getrlimit(Resource::RLIMIT_MEMLOCK)?;
            setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard)
        }
        result => result,
    }
}
