//! The compiler that builds for the kernel: rustup's, or else Debian's.

use std::env::{self, consts::ARCH};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project::{self, Project};
use crate::{debian, say};

/// Printed below the help of `build-ebpf`.
pub(crate) const HELP: &str = "\
Environment:
  LB_EBPF_TOOLCHAIN=debian  use Debian's packages rustc-web, cargo-web and rust-web-src, which
                            otherwise stand in where rustup has or gets no rust-src";

/// A compiler with the standard library's source, by the paths of its parts.
pub(crate) struct Toolchain {
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    /// The compiler's own libLLVM, which bpf-linker borrows.
    pub(crate) llvm: PathBuf,
    /// `cargo-clippy`, which Debian doesn't have.
    pub(crate) clippy: Option<PathBuf>,
}

impl Toolchain {
    /// A toolchain that builds for the kernel. One that is complete is taken as it is; else
    /// rustup is asked for what is missing, then Debian.
    pub(crate) fn for_bpf(project: &Project) -> Result<Self> {
        if env::var("LB_EBPF_TOOLCHAIN").is_ok_and(|choice| choice == "debian") {
            return debian::toolchain(project);
        }
        let sysroot = project::output(project.command("rustc").args(["--print", "sysroot"]))?;
        let sysroot = Path::new(sysroot.trim());
        Self::at(sysroot).or_else(|_| Self::at(debian::SYSROOT.as_ref())).or_else(|_| {
            add_source(project).and_then(|()| Self::at(sysroot)).or_else(|why| {
                say::note(&format!("{why:#}"));
                say::note("falling back on Debian's packages");
                debian::toolchain(project)
            })
        })
    }

    /// The toolchain below `sysroot`.
    ///
    /// # Errors
    /// Says what of it is missing or too old.
    pub(crate) fn at(sysroot: &Path) -> Result<Self> {
        let rustc = sysroot.join("bin/rustc");
        let about = project::output(Command::new(&rustc).arg("-vV"))?;
        let field = |name: &str| {
            about
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .with_context(|| format!("{} -vV names no {name}", rustc.display()))
        };
        let release = field("release")?;
        if older(release, env!("CARGO_PKG_RUST_VERSION")) {
            bail!(
                "{} is {release}, older than {}",
                rustc.display(),
                env!("CARGO_PKG_RUST_VERSION")
            );
        }
        if !sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").exists() {
            bail!("{} has no standard library source", sysroot.display());
        }
        let (major, _) = field("LLVM version")?.split_once('.').context("LLVM's version")?;
        let clippy = sysroot.join("bin/cargo-clippy");
        Ok(Self {
            cargo: sysroot.join("bin/cargo"),
            llvm: find_llvm(sysroot, major)?,
            clippy: clippy.exists().then_some(clippy),
            rustc,
        })
    }
}

/// Has rustup install the standard library's source.
fn add_source(project: &Project) -> Result<()> {
    // Set by rustup's cargo, and by no other.
    let name = env::var("RUSTUP_TOOLCHAIN").context("this cargo is not rustup's")?;
    say::quietly(
        "rust-src: installing",
        project.command("rustup").args(["component", "add", "rust-src", "--toolchain", &name]),
    )
}

/// rustup keeps libLLVM in `lib`, Debian in its multiarch folder, beside other versions.
fn find_llvm(sysroot: &Path, major: &str) -> Result<PathBuf> {
    let lib = sysroot.join("lib");
    // `libLLVM-22….so` is a link or a linker script, by no means always a library.
    let name = format!("libLLVM.so.{major}.");
    [lib.clone(), lib.join(format!("{ARCH}-linux-gnu"))]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&name)))
        .with_context(|| format!("no libLLVM {major} below {}", lib.display()))
}

/// Whether version `is` comes before version `wants`; parts that aren't numbers count as 0.
fn older(is: &str, wants: &str) -> bool {
    let parts = |version: &str| -> Vec<u32> {
        version.split(['.', '-']).map(|part| part.parse().unwrap_or(0)).collect()
    };
    parts(is) < parts(wants)
}

#[cfg(test)]
mod tests {
    use super::older;

    #[test]
    fn versions_compare_by_number() {
        assert!(older("1.63.0", "1.95"));
        assert!(older("1.9.0", "1.95"));
        assert!(!older("1.95.0", "1.95"));
        assert!(!older("1.96.0-beta.1", "1.95"));
        assert!(!older("1.100.0", "1.95"));
    }
}
