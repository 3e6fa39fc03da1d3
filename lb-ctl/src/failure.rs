//! What ends a command early, and the exit codes.

use crate::terminal::{note, printable};
use std::process::ExitCode;

/// The exit codes, for `--help`. Code 2 is clap's.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the agent refused the request, `check` or `reload` found problems, `diff` found a
     difference, or a drain was not over in time
  2  the command line is wrong
  3  no agent is there, or it gave no proper answer";

/// The exit code of a refused request, or of a command that found something.
pub(crate) const FOUND: u8 = 1;

/// Why a command ends without having done what it should.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request was refused, by the agent or before it was sent.
    Refused(String),
    /// Nobody is there to answer, or what answers isn't an agent.
    NoAgent(String),
}

impl Failure {
    /// Tells the operator, and gives the code to exit with.
    pub(crate) fn report(self) -> ExitCode {
        let (code, message) = match self {
            Self::Refused(message) => (FOUND, message),
            Self::NoAgent(message) => (3, message),
        };
        note(&format!("lb-ctl: {}", printable(&message)));
        code.into()
    }
}
