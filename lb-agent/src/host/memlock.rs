use super::{Error, refused};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

/// Lifts this process's limit of locked memory: kernels before 5.11 count BPF maps against it.
///
/// # Errors
/// The limit can't be lifted. Later kernels don't mind.
pub fn unlimit_locked_memory() -> Result<(), Error> {
    setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY)
        .map_err(|error| refused(|| "lift the limit of locked memory".to_owned())(error.into()))
}
