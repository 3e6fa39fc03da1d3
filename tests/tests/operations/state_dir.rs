//! A state directory that can't be written: changes are refused with the reason, traffic goes on.

use crate::setting::{client, server, web};
use anyhow::{Context, Result, ensure};
use lb_common::api::Mode;
use lb_tests::lab::{Lab, Load};
use lb_tests::site::{self, Director, Family, HTTP, Site, director};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_full_or_read_only_disk_refuses_changes() {
    Lab::story("disk", |lab| {
        let (site, mut director) = start(lab)?;
        director.stop()?;
        let load = load(&site)?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-ec", TINY, "sh"]);
        command.arg(director.state_dir());
        let agent = director.agent_command();
        command.arg(agent.get_program()).args(agent.get_args());
        director.start_as(command)?;
        director.ctl(&["server", "weight", "web/web1", "2"])?;

        let disk = Disk::of(&director)?;
        disk.fill()?;
        refused(&director, "No space left on device")?;
        load.goes_on().context("with a full disk")?;
        disk.free()?;
        accepted(&director, 3)?;

        disk.remount("ro")?;
        refused(&director, "Read-only file system")?;
        load.goes_on().context("with a read-only disk")?;
        disk.remount("rw")?;
        accepted(&director, 4)?;
        load.finish()
    });
}

#[test]
fn a_state_directory_that_vanishes_refuses_changes() {
    Lab::story("vanished", |lab| {
        let (site, mut director) = start(lab)?;
        let load = load(&site)?;
        director.ctl(&["server", "weight", "web/web1", "2"])?;
        fs::remove_dir_all(director.state_dir())?;
        refused(&director, "No such file or directory")?;
        load.goes_on().context("without the directory")?;
        fs::create_dir(director.state_dir())?;
        accepted(&director, 3)?;

        // An agent makes it, and begins with what the file says.
        director.kill()?;
        fs::remove_dir_all(director.state_dir())?;
        director.start()?;
        ensure!(server(&director, "web", "web1")?.weight == 1);
        accepted(&director, 5)?;
        load.finish()
    });
}

#[test]
fn a_torn_state_file_is_set_aside() {
    Lab::story("torn", |lab| {
        let (site, mut director) = start(lab)?;
        director.ctl(&["server", "drain", "web/web1"])?;
        let load = load(&site)?;
        director.kill()?;
        let [file] = files(&director.state_dir())?
            .try_into()
            .map_err(|files| anyhow::anyhow!("{files:?} instead of one file"))?;
        let whole = fs::read(&file)?;
        for bad in [&whole[..whole.len() / 2], b"", b"\0\xff not ours"] {
            fs::write(&file, bad)?;
            director.start()?;
            let warnings = director.status()?.warnings;
            let named = |words: &String| words.contains(&file.display().to_string());
            ensure!(warnings.iter().any(named), "{warnings:?}");
            ensure!(server(&director, "web", "web1")?.weight == 1);
            let kept = files(&director.state_dir())?;
            let same = |path: &PathBuf| *path != file && fs::read(path).is_ok_and(|is| is == bad);
            ensure!(kept.iter().any(same), "{kept:?} keeps no {bad:?}");
            accepted(&director, 2)?;
            director.kill()?;
        }
        load.finish()
    });
}

/// Mounts a tiny file system that only the program in its further arguments sees.
const TINY: &str = "mount -t tmpfs -o size=64k tmpfs \"$1\"; shift; exec \"$@\"";

/// The tiny file system of a running agent.
struct Disk {
    process: String,
    folder: PathBuf,
    /// The same as seen from outside.
    outside: PathBuf,
}

impl Disk {
    fn of(director: &Director) -> Result<Self> {
        let process = director.status()?.pid.to_string();
        let folder = director.state_dir();
        let outside = Path::new("/proc").join(&process).join("root");
        let outside = outside.join(folder.strip_prefix("/").context("an absolute path")?);
        Ok(Self { process, folder, outside })
    }

    /// Leaves not a byte.
    fn fill(&self) -> Result<()> {
        let error = fs::write(self.filler(), vec![0; 1 << 20]).err().context("it isn't tiny")?;
        ensure!(error.kind() == std::io::ErrorKind::StorageFull, "{error}");
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.outside.join("filler")
    }

    fn remount(&self, how: &str) -> Result<()> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.process, "--mount", "mount", "-o"]);
        command.arg(format!("remount,{how}")).arg(&self.folder);
        ensure!(command.status()?.success(), "{command:?}");
        Ok(())
    }
}

fn start(lab: &Lab) -> Result<(Site, Director)> {
    let site = Site::new(lab, 2)?;
    let config = site::config(&[web("web", Mode::Nat, Family::V4, 0, 2)]);
    let director = director(lab, &site.director, &config)?;
    director.wait_until_resolved()?;
    Ok((site, director))
}

fn load(site: &Site) -> Result<Load> {
    let (client, vip) = (client(site, Mode::Nat, Family::V4), (Family::V4.vip(0), HTTP));
    let mut load = Load::new();
    load.one_connection(&client, vip)?;
    load.new_connections(client, vip);
    load.goes_on()?;
    Ok(load)
}

/// A change is refused in words that have the directory and the reason, and isn't made.
fn refused(director: &Director, reason: &str) -> Result<()> {
    let before = server(director, "web", "web1")?;
    let output = director.ctl_output(&["server", "weight", "web/web1", "77"])?;
    let words = String::from_utf8_lossy(&output.stderr);
    let folder = director.state_dir().display().to_string();
    ensure!(output.status.code() == Some(1), "{}: {words}", output.status);
    ensure!(words.contains(reason) && words.contains(&folder), "{words}");
    let after = server(director, "web", "web1")?;
    ensure!((after.weight, after.state) == (before.weight, before.state), "{after:?}");
    Ok(())
}

fn accepted(director: &Director, weight: u32) -> Result<()> {
    director.ctl(&["server", "weight", "web/web1", &weight.to_string()])?;
    ensure!(server(director, "web", "web1")?.weight == weight);
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}
