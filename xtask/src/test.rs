//! All tests, as one run with one summary.

use std::convert::Infallible;
use std::ffi::OsString;

use anyhow::Result;

use crate::project::{self, Project, require_root};
use crate::{debian, ebpf, say, tools};

/// Builds everything and becomes the test runner, so that its summary ends the output.
///
/// The tests find lb-agent and lb-ctl where cargo puts them: in the folder above their own
/// executable's `deps`.
pub(crate) fn run(project: &Project, args: &[OsString]) -> Result<Infallible> {
    require_root("testing")?;
    ebpf::build(project)?;
    build_and_run(project, args)
}

/// The part of [`run`] that follows the XDP program.
pub(crate) fn build_and_run(project: &Project, args: &[OsString]) -> Result<Infallible> {
    say::heading("test runner");
    let nextest = tools::nextest(project)?;
    say::heading("servers");
    debian::servers(project)?;
    say::heading("programs and tests");
    // A test run alone would not build the programs that tests start.
    project::run(project.cargo().args(["build", "--workspace", "--all-targets"]))?;
    say::heading("tests");
    project::become_(project.command(nextest).args(["nextest", "run", "--workspace"]).args(args))
}
