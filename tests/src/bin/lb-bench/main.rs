//! Measures the agent: `lb-bench control` gives the figures of the control plane, from a real agent
//! with the real program in network namespaces of its own.

mod agent;
mod control;
mod figures;
mod setting;

use anyhow::{Context, Result, bail};
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use lb_tests::lab;

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<()> {
    let json = json_file()?;
    lab::remove_on_signal()?;
    let mut runs = Vec::new();
    for size in setting::SIZES {
        runs.push(control::run(&size).with_context(|| size.words())?);
    }
    print!("{}", figures::table(&runs));
    if let Some(file) = json {
        std::fs::write(&file, serde_json::to_string_pretty(&runs)? + "\n")
            .with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// What the command line says: `control [--json FILE]`.
fn json_file() -> Result<Option<PathBuf>> {
    let words: Vec<_> = env::args_os().skip(1).collect();
    match words.iter().map(|word| word.to_str()).collect::<Vec<_>>()[..] {
        [Some("control")] => Ok(None),
        [Some("control"), Some("--json"), _] => Ok(Some(PathBuf::from(&words[2]))),
        _ => bail!("usage: lb-bench control [--json FILE]"),
    }
}
