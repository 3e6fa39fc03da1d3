//! What must hold before a change is merged.

use std::convert::Infallible;
use std::io::IsTerminal;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

use crate::project::{self, Project, require_root};
use crate::{ebpf, imports, say, test};

/// Runs the checks, cheapest first, then the tests.
pub(crate) fn run(project: &Project) -> Result<Infallible> {
    require_root("testing")?;
    say::heading("formatting");
    // rustfmt paints what it shows even when nobody sees colours.
    let colour = if std::io::stdout().is_terminal() { "auto" } else { "never" };
    project::run(project.cargo().args(["fmt", "--all", "--check", "--", "--color", colour]))
        .context("`cargo fmt` puts it right")?;
    let toolchain = ebpf::build(project)?;
    say::heading("imports");
    check_imports(project)?;
    say::heading("lints");
    project::run(project.cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-Dwarnings",
    ]))?;
    say::heading("lints of the XDP program");
    ebpf::lint(project, &toolchain)?;
    test::build_and_run(project, &[])
}

fn check_imports(project: &Project) -> Result<()> {
    let metadata =
        MetadataCommand::new().current_dir(&project.root).exec().context("cargo metadata")?;
    imports::check(&imports::Graph::of(&metadata))
}
