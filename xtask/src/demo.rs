//! The demo: lb-tests' program `lb-demo`, with all that it starts.

use std::convert::Infallible;
use std::ffi::OsString;

use anyhow::Result;

use crate::project::{self, Project, require_root};
use crate::{ebpf, say};

const PROGRAM: &str = "lb-demo";

/// Builds everything and becomes the demo, which finds lb-agent and lb-ctl beside itself.
pub(crate) fn run(project: &Project, args: &[OsString]) -> Result<Infallible> {
    require_root("the demo")?;
    ebpf::build(project)?;
    say::heading("programs");
    project::run(project.cargo().args(["build", "--workspace", "--bins"]))?;
    say::heading("demo");
    project::become_(project.command(project.bin.join(PROGRAM)).args(args))
}
