use super::{Edits, saved};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The [`Edits`] and the file that keeps them.
///
/// The file is JSON and always whole: new edits are written beside it, synced and renamed over it
/// before they count.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    edits: Edits,
}

/// A [`Store`], with what an operator should know about its file.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Set when the file could not be used: why, and where it is now.
    pub warning: Option<String>,
}

/// The store's file cannot be read or written; the store is as it was.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct StoreError {
    /// What was tried.
    action: &'static str,
    /// With what.
    path: PathBuf,
    /// What the system says.
    source: io::Error,
}

/// The file's form: read what has this version, refuse the rest.
const VERSION: u32 = 2;

/// Larger files were not written by a store.
const MAX_FILE: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    version: u32,
    services: saved::Services,
}

impl Store {
    /// Loads the edits from `path`; none if there is no such file.
    ///
    /// A file that no store of this version wrote is renamed, never overwritten, and the store
    /// starts empty, with a warning. Errors are those of the system: the file may be good then.
    pub fn open(path: impl Into<PathBuf>) -> Result<Opened, StoreError> {
        let path = path.into();
        let (edits, warning) = match load(&path).map_err(failed("read", &path))? {
            Ok(edits) => (edits, None),
            Err(unusable) => {
                let aside = set_aside(&path).map_err(failed("set aside", &path))?;
                let warning = format!(
                    "{}: {unusable}; starting without changes, the file is kept as {}",
                    path.display(),
                    aside.display()
                );
                (Edits::default(), Some(warning))
            }
        };
        Ok(Opened { store: Self { path, edits }, warning })
    }

    /// The edits as they are on disk.
    pub fn edits(&self) -> &Edits {
        &self.edits
    }

    /// Replaces the edits, which are on disk when this returns.
    ///
    /// # Errors
    /// They can't be written: those before stay. (If it is only the folder that can't be synced in
    /// the end, the disk may have either.)
    pub fn save(&mut self, edits: Edits) -> Result<(), StoreError> {
        if edits != self.edits {
            save(&self.path, &edits)?;
            self.edits = edits;
        }
        Ok(())
    }
}

/// Inside: the edits, or why the file is none of ours.
fn load(path: &Path) -> io::Result<Result<Edits, String>> {
    // A link counts as the file that it names, a broken one as no file.
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(Err("not a regular file".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Ok(Edits::default()));
        }
        Err(error) => return Err(error),
    }
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Ok(Err(format!("larger than {MAX_FILE} bytes")));
    }
    Ok(parse(&text))
}

fn parse(text: &[u8]) -> Result<Edits, String> {
    /// Read first, so that another version is named rather than its fields.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let unusable = |error: String| format!("not a file of changes ({error})");
    let Version { version } =
        serde_json::from_slice(text).map_err(|error| unusable(error.to_string()))?;
    if version != VERSION {
        return Err(format!("written in version {version}, this agent reads version {VERSION}"));
    }
    let saved: Saved = serde_json::from_slice(text).map_err(|error| unusable(error.to_string()))?;
    saved::edits(saved.services).map_err(unusable)
}

/// Renames the file to a name that is free, and returns that.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut count = 1;
    loop {
        let aside = beside(path, &format!(".unusable-{count}"));
        match fs::symlink_metadata(&aside) {
            Ok(_) => count += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::rename(path, &aside)?;
                return Ok(aside);
            }
            Err(error) => return Err(error),
        }
    }
}

fn save(path: &Path, edits: &Edits) -> Result<(), StoreError> {
    let saved = Saved { version: VERSION, services: saved::saved(edits) };
    let mut text = serde_json::to_vec_pretty(&saved)
        .map_err(|error| failed("write", path)(io::Error::other(error)))?;
    text.push(b'\n');

    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // Opened first: whatever can fail should do so before the rename.
    let folder_file = File::open(folder).map_err(failed("open the folder", folder))?;
    let new = beside(path, ".new");
    let written = write_synced(&new, &text).map_err(failed("write", &new));
    let replaced = written.and_then(|()| fs::rename(&new, path).map_err(failed("replace", path)));
    if replaced.is_err() {
        // A part of a file only takes up room; a later change overwrites it anyway.
        let _ = fs::remove_file(&new);
    }
    replaced?;
    folder_file.sync_all().map_err(failed("sync the folder", folder))
}

fn write_synced(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError { action, path, source }
}

#[cfg(test)]
mod tests;
