//! What a lab has outside its namespaces goes when its process is ended by a signal.

use std::env::{current_exe, var_os};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::park;

use anyhow::{Context, Result};
use lb_tests::lab::{Lab, SOON, remove_on_signal, wait_for, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Where the process with the lab, which is this test once more, writes what it has made.
const REPORT: &str = "LB_LAB_REPORT";

#[test]
fn nothing_is_left_after_a_signal() -> Result<()> {
    if let Some(report) = var_os(REPORT) {
        return hold_a_lab(&PathBuf::from(report));
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let (folders, program) = lab_ended_by(signal)?;
        wait_until(SOON, &format!("the end of the program after {signal}"), || !runs(program))?;
        if signal == Signal::SIGKILL {
            // Nobody was left to do it: the next lab does.
            Lab::new("next")?;
        }
        for folder in folders {
            assert!(!folder.exists(), "{signal} left {}", folder.display());
        }
    }
    Ok(())
}

fn hold_a_lab(report: &Path) -> Result<()> {
    remove_on_signal()?;
    let lab = Lab::new("signal")?;
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    let program = lab.host("host")?.spawn(sleep)?;
    let (folder, pins) = (lab.folder(), lab.bpf_folder()?);
    let draft = report.with_extension("draft");
    fs::write(&draft, format!("{}\n{}\n{}", program.pid(), folder.display(), pins.display()))?;
    fs::rename(draft, report)?;
    loop {
        park();
    }
}

/// The folders and the program of a lab whose process was ended.
fn lab_ended_by(signal: Signal) -> Result<(Vec<PathBuf>, i32)> {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report");
    let mut child = Command::new(current_exe()?)
        .args(["--exact", "signal::nothing_is_left_after_a_signal"])
        .env(REPORT, &report)
        .stdout(Stdio::null())
        .spawn()?;
    let text = wait_for(SOON, "the other process's lab", || fs::read_to_string(&report).ok());
    kill(Pid::from_raw(child.id() as i32), signal)?;
    let status = child.wait()?;
    assert_eq!(status.signal(), Some(signal as i32));
    let text = text?;
    let (program, folders) = text.split_once('\n').context("a short report")?;
    let folders: Vec<_> = folders.lines().map(PathBuf::from).collect();
    assert_eq!(folders.len(), 2);
    Ok((folders, program.parse()?))
}

/// Whether a process runs; one that has ended and waits for its parent doesn't.
fn runs(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
