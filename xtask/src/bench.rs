//! Measurements: lb-tests' program `lb-bench`, with optimised builds of all that it starts.

use std::convert::Infallible;
use std::path::{PathBuf, absolute};

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::project::{self, Project, require_root};
use crate::{ebpf, say};

const PROGRAM: &str = "lb-bench";

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// The agent with ten services and with 10,000: loading, changing, memory
    Control {
        /// Write the figures to this file too
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
}

/// Builds everything and becomes the measuring program, which finds lb-agent and lb-ctl beside
/// itself.
pub(crate) fn run(project: &Project, bench: Bench) -> Result<Infallible> {
    require_root("a measurement")?;
    ebpf::build(project)?;
    say::heading("programs, optimised");
    let programs = ["lb-agent", "lb-ctl", PROGRAM].into_iter().flat_map(|name| ["--bin", name]);
    project::run(project.cargo().args(["build", "--release"]).args(programs))?;
    say::heading("measurement");
    let mut command = project.command(project.release_bin().join(PROGRAM));
    let Bench::Control { json } = bench;
    command.arg("control");
    if let Some(file) = json {
        // The program runs in another folder.
        command.arg("--json").arg(absolute(&file).with_context(|| file.display().to_string())?);
    }
    project::become_(&mut command)
}
