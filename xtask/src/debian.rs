//! The fallback where rustup's server can't be reached, or cargo isn't rustup's: the compiler that
//! Debian keeps current for its browsers.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::project::{Project, is_root};
use crate::say;
use crate::toolchain::Toolchain;

const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// Where they install to.
pub(crate) const SYSROOT: &str = "/usr";

/// Debian's toolchain; installs its packages if they are missing.
///
/// # Errors
/// When they can't be installed; names the command to type.
pub(crate) fn toolchain(project: &Project) -> Result<Toolchain> {
    let sysroot = Path::new(SYSROOT);
    if let Ok(found) = Toolchain::at(sysroot) {
        return Ok(found);
    }
    install(project).with_context(|| {
        format!(
            "building the XDP program needs a Rust compiler with its standard library's source. \
             Type one of these, then try again:\n  \
             rustup component add rust-src\n  \
             sudo apt-get update && sudo apt-get install {}\n\
             What was tried last",
            PACKAGES.join(" ")
        )
    })?;
    Toolchain::at(sysroot).context("Debian's packages are installed, but do not fit")
}

fn install(project: &Project) -> Result<()> {
    if !is_root() {
        bail!("installing Debian's packages needs root");
    }
    let apt_get = || {
        let mut command = project.command("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    say::quietly("apt-get: reading the lists of packages", apt_get().arg("update"))?;
    say::quietly(
        &format!("apt-get: installing {}", PACKAGES.join(", ")),
        apt_get().args(["install", "--yes", "--no-install-recommends"]).args(PACKAGES),
    )
}
