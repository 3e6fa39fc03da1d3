//! Programs that cargo doesn't bring: installed below `target/tools` when they are missing.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::project::{Project, output};
use crate::say;

/// The last one that borrows the compiler's LLVM; later ones need one of the system's.
const BPF_LINKER: Tool =
    Tool { name: "bpf-linker", version: "0.10.3", options: &[], takes: "90 s" };
/// Unoptimised, for it takes a third of the time to build and only waits for tests.
const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    version: "0.9.143",
    options: &["--debug", "--config", "profile.dev.debug=false"],
    takes: "3 minutes",
};

struct Tool {
    name: &'static str,
    version: &'static str,
    /// Further options of `cargo install`.
    options: &'static [&'static str],
    /// How long the installation takes on two cores.
    takes: &'static str,
}

/// The path of bpf-linker, in exactly the version that fits.
pub(crate) fn bpf_linker(project: &Project) -> Result<PathBuf> {
    let path = BPF_LINKER.path(project);
    if BPF_LINKER.version_of(&path).as_deref() != Some(BPF_LINKER.version) {
        BPF_LINKER.install(project)?;
    }
    Ok(path)
}

/// The path of cargo-nextest: the one on PATH, else our own.
pub(crate) fn nextest(project: &Project) -> Result<PathBuf> {
    let own = NEXTEST.path(project);
    if let Some(found) = [PathBuf::from(NEXTEST.name), own.clone()]
        .into_iter()
        .find(|path| NEXTEST.version_of(path).is_some())
    {
        return Ok(found);
    }
    NEXTEST.install(project)?;
    Ok(own)
}

impl Tool {
    fn path(&self, project: &Project) -> PathBuf {
        project.tools.join("bin").join(self.name)
    }

    /// The version that the program at `path` prints; none if it doesn't run.
    fn version_of(&self, path: &PathBuf) -> Option<String> {
        let printed = output(Command::new(path).arg("--version")).ok()?;
        let version = printed.strip_prefix(self.name)?.split_whitespace().next()?;
        Some(version.to_owned())
    }

    fn install(&self, project: &Project) -> Result<()> {
        let mut command = project.cargo();
        command
            .args(["install", self.name, "--version", self.version, "--locked", "--force"])
            .args(self.options)
            .arg("--root")
            .arg(&project.tools);
        let what = format!("{} {}: installing, about {}", self.name, self.version, self.takes);
        say::quietly(&what, &mut command)
            .with_context(|| format!("{} is missing; this command was to install it", self.name))
    }
}
