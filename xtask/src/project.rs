//! The checkout, and the commands that run in it.

use std::convert::Infallible;
use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A checkout of the workspace and the places xtask writes to.
pub(crate) struct Project {
    /// The workspace's root.
    pub(crate) root: PathBuf,
    /// Where the XDP program goes, for lb-agent's build to find; `.cargo/config.toml` says where.
    pub(crate) object: PathBuf,
    /// The install root of the tools that the project brings for itself.
    pub(crate) tools: PathBuf,
    /// Where the lab's servers are unpacked; `.cargo/config.toml` says where.
    pub(crate) servers: PathBuf,
    /// The target folder of builds for the kernel.
    pub(crate) bpf_target: PathBuf,
    /// Where the programs of a development build are.
    pub(crate) bin: PathBuf,
}

impl Project {
    /// The checkout that xtask was built from.
    ///
    /// # Errors
    /// When xtask wasn't started by cargo, which alone reads `.cargo/config.toml`.
    pub(crate) fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask is not in a workspace")?
            .to_owned();
        let place = |name: &str| -> Result<PathBuf> {
            let value = env::var_os(name);
            Ok(value
                .with_context(|| format!("{name} is not set: start this as `cargo xtask`"))?
                .into())
        };
        let bin = env::current_exe()
            .context("where xtask itself is")?
            .parent()
            .context("xtask is in no folder")?
            .to_owned();
        let target = root.join("target");
        Ok(Self {
            root,
            object: place("LB_EBPF_OBJECT")?,
            servers: place("LB_LAB_SERVERS")?,
            tools: target.join("tools"),
            bpf_target: target.join("bpf/build"),
            bin,
        })
    }

    /// Where the programs of an optimised build are.
    pub(crate) fn release_bin(&self) -> PathBuf {
        self.bin.with_file_name("release")
    }

    /// `program`, to run in the workspace's root.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        // `cargo run` describes xtask to xtask. Build scripts watch some of these variables and
        // would run again for nothing if an inner cargo handed them on.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&*name);
            }
        }
        command
    }

    /// The cargo that started xtask.
    pub(crate) fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }
}

/// Runs `command` with its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| starting(command))?;
    if !status.success() {
        bail!("`{}` failed", words(command));
    }
    Ok(())
}

/// Becomes `command`: its exit status is ours and its last line the last. Ctrl-C reaches it alone,
/// so that it can clean up before the prompt is back.
pub(crate) fn become_(command: &mut Command) -> Result<Infallible> {
    let error = command.exec();
    Err(error).with_context(|| starting(command))
}

/// What `command` prints on standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| starting(command))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed: {}", words(command), said.trim());
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something other than text", words(command)))
}

/// The command as one would type it.
pub(crate) fn words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            if word.contains([' ', '"', '\'']) { format!("'{word}'") } else { word.into_owned() }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    // A process's folder belongs to its effective user.
    std::fs::metadata("/proc/self").is_ok_and(|folder| folder.uid() == 0)
}

/// # Errors
/// When we aren't root: `who` needs it.
pub(crate) fn require_root(who: &str) -> Result<()> {
    if !is_root() {
        bail!(
            "{who} needs root, for network namespaces and for loading the XDP program. \
             Type: sudo env \"PATH=$PATH\" \"HOME=$HOME\" cargo xtask …"
        );
    }
    Ok(())
}

fn starting(command: &Command) -> String {
    format!("starting {}", command.get_program().to_string_lossy())
}
