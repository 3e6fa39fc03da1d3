//! Who may use the control socket.

use crate::setting::web;
use anyhow::{Context, Result, ensure};
use lb_common::api::Mode;
use lb_tests::lab::Lab;
use lb_tests::site::{self, Director, Family, Site, director, program};
use nix::unistd::{Group, User};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How `lb-ctl` ends when it reaches no agent.
const UNREACHABLE: i32 = 3;
/// Who gets in, beside root.
const GROUP: &str = "adm";
/// A group that doesn't.
const OTHERS: &str = "nogroup";
/// A user of neither.
const USER: &str = "nobody";

#[test]
fn the_group_gets_in_and_nobody_else() {
    Lab::story("access", |lab| {
        let site = Site::new(lab, 1)?;
        let text = site::config(&[web("web", Mode::Nat, Family::V4, 0, 1)]);
        let director = director(lab, &site.director, &text)?;
        let lb_ctl = for_everybody(lab, &director)?;
        for group in [GROUP, OTHERS] {
            refused(&ask(&lb_ctl, &director, group)?).with_context(|| group.to_owned())?;
        }

        // The socket's group is set when the agent starts.
        let mut director = director;
        director.stop()?;
        director.write_config(&format!("control: {{ group: {GROUP} }}\n{text}"))?;
        director.start()?;
        let output = ask(&lb_ctl, &director, GROUP)?;
        ensure!(output.status.success(), "{output:?}");
        refused(&ask(&lb_ctl, &director, OTHERS)?)?;
        director.status().map(drop)
    });
}

/// A copy of `lb-ctl` that everybody can run, and a way to the socket's folder.
fn for_everybody(lab: &Lab, director: &Director) -> Result<PathBuf> {
    let copy = lab.folder().join("lb-ctl");
    fs::copy(program("lb-ctl"), &copy)?;
    let socket = director.socket();
    for folder in [lab.folder(), socket.parent().context("a folder")?] {
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    Ok(copy)
}

/// Asks for a change as a user whose only group is `group`.
fn ask(lb_ctl: &Path, director: &Director, group: &str) -> Result<Output> {
    let user = User::from_name(USER)?.with_context(|| format!("no user {USER}"))?;
    let group = Group::from_name(group)?.with_context(|| format!("no group {group}"))?;
    let mut command = Command::new(lb_ctl);
    command.uid(user.uid.as_raw()).gid(group.gid.as_raw());
    command.arg("--socket").arg(director.socket()).args(["server", "weight", "web/web1", "2"]);
    command.output().context("lb-ctl")
}

/// It is the socket that refuses, and `lb-ctl` says so.
fn refused(output: &Output) -> Result<()> {
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(UNREACHABLE), "{output:?}");
    ensure!(words.to_lowercase().contains("permission"), "{words}");
    Ok(())
}
