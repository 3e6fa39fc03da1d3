use super::{ChangeError, Overrides};
use lb_common::api::ServerChange;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The [`Overrides`] and the file that keeps them.
///
/// The file is JSON and always whole: a change is written beside it, synced and renamed over it
/// before it counts as made.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    overrides: Overrides,
}

/// A [`Store`], with what an operator should know about its file.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Set when the file could not be used: why, and where it is now.
    pub warning: Option<String>,
}

/// Why the store cannot be opened or changed; a store that cannot be changed is as it was.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The change itself is wrong.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The file's form: read what has this version, refuse the rest.
const VERSION: u32 = 1;

/// Larger files were not written by a store.
const MAX_FILE: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    version: u32,
    services: Overrides,
}

impl Store {
    /// Loads the overrides from `path`; none if there is no such file.
    ///
    /// A file that no store of this version wrote is renamed, never overwritten, and the store
    /// starts empty, with a warning. Errors are those of the system: the file may be good then.
    pub fn open(path: impl Into<PathBuf>) -> Result<Opened, StoreError> {
        let path = path.into();
        let (overrides, warning) = match load(&path).map_err(failed("read", &path))? {
            Ok(overrides) => (overrides, None),
            Err(unusable) => {
                let aside = set_aside(&path).map_err(failed("set aside", &path))?;
                let warning = format!(
                    "{}: {unusable}; starting without overrides, the file is kept as {}",
                    path.display(),
                    aside.display()
                );
                (Overrides::default(), Some(warning))
            }
        };
        Ok(Opened { store: Self { path, overrides }, warning })
    }

    /// The overrides as they are on disk.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Makes a change, which is on disk when this returns.
    pub fn change(
        &mut self,
        service: &str,
        server: &str,
        change: ServerChange,
    ) -> Result<(), StoreError> {
        let mut overrides = self.overrides.clone();
        overrides.change(service, server, change)?;
        if overrides != self.overrides {
            save(&self.path, &overrides)?;
            self.overrides = overrides;
        }
        Ok(())
    }
}

/// Inside: the overrides, or why the file is none of ours.
fn load(path: &Path) -> io::Result<Result<Overrides, String>> {
    // A link counts as the file that it names, a broken one as no file.
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(Err("not a regular file".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Ok(Overrides::default()));
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

fn parse(text: &[u8]) -> Result<Overrides, String> {
    /// Read first, so that another version is named rather than its fields.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let unusable = |error: serde_json::Error| format!("not a file of overrides ({error})");
    let Version { version } = serde_json::from_slice(text).map_err(unusable)?;
    if version != VERSION {
        return Err(format!("written in version {version}, this agent reads version {VERSION}"));
    }
    let saved: Saved = serde_json::from_slice(text).map_err(unusable)?;
    Ok(saved.services)
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

fn save(path: &Path, overrides: &Overrides) -> Result<(), StoreError> {
    let saved = Saved { version: VERSION, services: overrides.clone() };
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
    write_synced(&new, &text).map_err(failed("write", &new))?;
    fs::rename(&new, path).map_err(failed("replace", path))?;
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
    move |source| StoreError::Io { action, path, source }
}

#[cfg(test)]
mod tests;
