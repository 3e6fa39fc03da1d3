//! What a configuration takes for granted of the host that it is for.

use nix::unistd::{AccessFlags, Group, User, access};
use std::path::Path;

/// A host that a configuration is for.
pub(super) trait Host {
    fn has_interface(&self, name: &str) -> bool;
    fn has_group(&self, name: &str) -> bool;
    /// The user's id; none if there is no such user.
    fn user(&self, name: &str) -> Option<u32>;
    fn has_file(&self, path: &Path) -> bool;
    fn can_run(&self, path: &Path) -> bool;
}

/// This host, with the interfaces that a function knows.
pub(super) struct ThisHost<'a>(pub(super) &'a dyn Fn(&str) -> bool);

impl Host for ThisHost<'_> {
    fn has_interface(&self, name: &str) -> bool {
        (self.0)(name)
    }

    fn has_group(&self, name: &str) -> bool {
        matches!(Group::from_name(name), Ok(Some(_)))
    }

    fn user(&self, name: &str) -> Option<u32> {
        User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
    }

    fn has_file(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn can_run(&self, path: &Path) -> bool {
        path.is_file() && access(path, AccessFlags::X_OK).is_ok()
    }
}

/// A host that has whatever it is asked for: what was accepted once is read again with it.
pub(super) struct AnyHost;

impl Host for AnyHost {
    fn has_interface(&self, _: &str) -> bool {
        true
    }

    fn has_group(&self, _: &str) -> bool {
        true
    }

    fn user(&self, _: &str) -> Option<u32> {
        Some(u32::MAX)
    }

    fn has_file(&self, _: &Path) -> bool {
        true
    }

    fn can_run(&self, _: &Path) -> bool {
        true
    }
}
