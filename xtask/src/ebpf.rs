//! The XDP program: lb-ebpf, compiled for the kernel.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::project::{self, Project};
use crate::toolchain::Toolchain;
use crate::{say, tools};

const PACKAGE: &str = "lb-ebpf";
const BINARY: &str = "lb";
const TARGET: &str = "bpfel-unknown-none";
const PROFILE: &str = "bpf";

/// Builds the program; lb-agent's build finds it at [`Project::object`], which is touched only when
/// it changes. Returns the toolchain that did it.
pub(crate) fn build(project: &Project) -> Result<Toolchain> {
    say::heading("XDP program");
    let toolchain = Toolchain::for_bpf(project)?;
    project::run(&mut cargo(project, &toolchain, &toolchain.cargo, "build")?)?;

    let built = project.bpf_target.join(TARGET).join(PROFILE).join(BINARY);
    let program = fs::read(&built).with_context(|| built.display().to_string())?;
    let shown = project.object.strip_prefix(&project.root).unwrap_or(&project.object).display();
    if fs::read(&project.object).is_ok_and(|old| old == program) {
        say::note(&format!("{shown} is up to date"));
    } else {
        write(&project.object, &program)?;
        say::note(&format!("{shown}: {} bytes", program.len()));
    }
    Ok(toolchain)
}

/// Lints the program as the kernel's target sees it. `toolchain` is what [`build`] returned.
pub(crate) fn lint(project: &Project, toolchain: &Toolchain) -> Result<()> {
    let Some(clippy) = &toolchain.clippy else {
        say::note("skipped: Debian's toolchain has no clippy");
        return Ok(());
    };
    let mut command = cargo(project, toolchain, clippy, "clippy")?;
    project::run(command.args(["--", "-Dwarnings"]))
}

/// `verb` for the program. `cargo` is cargo itself or a part of it that takes the same options.
fn cargo(project: &Project, toolchain: &Toolchain, cargo: &Path, verb: &str) -> Result<Command> {
    let linker = tools::bpf_linker(project)?;
    let flags = [
        "-Cdebuginfo=2",
        "-Ctarget-cpu=v3",
        &format!("-Clinker={}", linker.display()),
        "-Clink-arg=--btf",
        // The linker generates the code. To rustc the feature is unknown, and a warning.
        "-Clink-arg=--cpu-features=+allows-misaligned-mem-access",
    ]
    .join("\x1f");

    let mut command = project.command(cargo);
    command
        .args([verb, "--package", PACKAGE, "--target", TARGET, "--profile", PROFILE])
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(&project.bpf_target)
        .env("CARGO", &toolchain.cargo)
        .env("RUSTC", &toolchain.rustc)
        // -Z build-std, on a stable compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        // Wins over RUSTFLAGS and over every configuration.
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("LD_LIBRARY_PATH", llvm_folder(project, &toolchain.llvm)?);
    Ok(command)
}

/// A folder with nothing in it but a link to `llvm`: bpf-linker loads the first libLLVM in the
/// folders of LD_LIBRARY_PATH, whatever its version.
fn llvm_folder(project: &Project, llvm: &Path) -> Result<std::path::PathBuf> {
    let folder = project.bpf_target.join("llvm");
    let link = folder.join("libLLVM.so");
    if fs::read_link(&link).is_ok_and(|old| old == llvm) {
        return Ok(folder);
    }
    let make = || {
        fs::create_dir_all(&folder)?;
        if link.is_symlink() {
            fs::remove_file(&link)?;
        }
        symlink(llvm, &link)
    };
    make().with_context(|| format!("linking {} to {}", link.display(), llvm.display()))?;
    Ok(folder)
}

/// Writes the whole file or nothing of it.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("writing {}", path.display()))
}
