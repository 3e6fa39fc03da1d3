//! What comes from Debian's packages: a compiler where rustup's server can't be reached or cargo
//! isn't rustup's, and the servers that the lab's tests run.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project::{self, Project, is_root};
use crate::say;
use crate::toolchain::Toolchain;

/// The compiler that Debian keeps current for its browsers.
const COMPILER: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// Where that is installed.
pub(crate) const SYSROOT: &str = "/usr";

/// The lab's servers: a program, and the package that has it.
const SERVERS: [(&str, &str); 3] =
    [("nginx", "nginx"), ("dnsmasq", "dnsmasq-base"), ("smtpd", "opensmtpd")];
/// Where programs are, below `/` and below the folder that packages are unpacked in.
const PROGRAMS: [&str; 2] = ["usr/sbin", "usr/bin"];

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
            COMPILER.join(" ")
        )
    })?;
    Toolchain::at(sysroot).context("Debian's packages are installed, but do not fit")
}

/// Sees to it that the lab's servers are there. Those that the machine has are taken; else they are
/// unpacked below `target`, not installed: no service begins to run on the machine, now or when it
/// starts, and no other mail server has to go.
///
/// # Errors
/// When they can't be fetched; names the command to type.
pub(crate) fn servers(project: &Project) -> Result<()> {
    let folder = &project.servers;
    let below = |root: &Path, program: &str| {
        PROGRAMS.iter().any(|folder| root.join(folder).join(program).exists())
    };
    let missing = SERVERS.iter().filter(|(program, _)| !below(Path::new("/"), program));
    if missing.clone().all(|(program, _)| below(folder, program)) {
        return Ok(());
    }
    let missing: Vec<_> = missing.map(|(_, package)| *package).collect();
    unpack(project, &missing, folder).with_context(|| {
        format!(
            "the tests run real servers. Where this command can't fetch them, type:\n  \
             sudo apt-get update && sudo apt-get install {}\n\
             What was tried",
            missing.join(" ")
        )
    })
}

/// Fetches packages, with those that they need and the machine hasn't, and makes them `folder`.
fn unpack(project: &Project, packages: &[&str], folder: &Path) -> Result<()> {
    let (archives, draft) = (folder.with_extension("archives"), folder.with_extension("draft"));
    for leftover in [&archives, &draft, folder] {
        if leftover.exists() {
            fs::remove_dir_all(leftover)?;
        }
    }
    fs::create_dir_all(archives.join("partial"))?;
    update(project)?;
    say::quietly(
        &format!("apt-get: fetching {}", packages.join(", ")),
        apt_get(project)?
            .args(["install", "--yes", "--download-only", "--no-install-recommends"])
            // The user that apt-get fetches as otherwise may be shut out of the checkout.
            .args(["--option", "APT::Sandbox::User=root", "--option"])
            .arg(format!("Dir::Cache::archives={}", archives.display()))
            .args(packages),
    )?;
    for entry in fs::read_dir(&archives)? {
        let archive = entry?.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            project::run(project.command("dpkg-deb").arg("--extract").arg(archive).arg(&draft))?;
        }
    }
    fs::rename(&draft, folder).context("no package was fetched")?;
    fs::remove_dir_all(&archives).context("removing the archives")
}

fn install(project: &Project) -> Result<()> {
    update(project)?;
    say::quietly(
        &format!("apt-get: installing {}", COMPILER.join(", ")),
        apt_get(project)?.args(["install", "--yes", "--no-install-recommends"]).args(COMPILER),
    )
}

fn update(project: &Project) -> Result<()> {
    say::quietly("apt-get: reading the lists of packages", apt_get(project)?.arg("update"))
}

fn apt_get(project: &Project) -> Result<Command> {
    if !is_root() {
        bail!("Debian's packages need root");
    }
    let mut command = project.command("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}
