//! What a developer types. Each command installs what it needs below `target/` and says so.

mod bench;
mod ci;
mod debian;
mod demo;
mod ebpf;
mod imports;
mod project;
mod say;
mod test;
mod toolchain;
mod tools;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::project::Project;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
enum Task {
    /// Build the XDP program, and install what that needs
    #[command(after_help = toolchain::HELP)]
    BuildEbpf {
        /// Taken for granted: the program is always optimised
        #[arg(long, hide = true)]
        release: bool,
    },
    /// Build everything, then show real traffic spread over real servers (as root)
    Demo {
        /// Handed on to the demo
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build everything, then run all tests (as root)
    Test {
        /// Handed on to `cargo nextest run`: a part of a test's name, -E 'FILTER', --no-capture …
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build everything optimised, then measure (as root)
    Bench {
        #[command(subcommand)]
        what: bench::Bench,
    },
    /// Check formatting, imports and lints, then do what `test` does (as root)
    Ci,
}

fn main() -> ExitCode {
    say::start();
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let project = Project::open()?;
    match task {
        Task::BuildEbpf { release: _ } => ebpf::build(&project).map(drop),
        Task::Demo { args } => demo::run(&project, &args).map(|never| match never {}),
        Task::Test { args } => test::run(&project, &args).map(|never| match never {}),
        Task::Bench { what } => bench::run(&project, what).map(|never| match never {}),
        Task::Ci => ci::run(&project).map(|never| match never {}),
    }
}
