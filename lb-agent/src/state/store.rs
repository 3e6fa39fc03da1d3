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
        Ok(Opened {
            store: Self { path, overrides },
            warning,
        })
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
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut text)?;
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
        return Err(format!(
            "written in version {version}, this agent reads version {VERSION}"
        ));
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
    let saved = Saved {
        version: VERSION,
        services: overrides.clone(),
    };
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
    folder_file
        .sync_all()
        .map_err(failed("sync the folder", folder))
}

fn write_synced(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o640)
        .open(path)?;
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
    move |source| StoreError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const DRAIN: ServerChange = ServerChange {
        weight: None,
        drain: Some(true),
    };

    fn open(path: &Path) -> Store {
        let opened = Store::open(path).unwrap();
        assert_eq!(opened.warning, None);
        opened.store
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_change_is_on_disk_in_a_documented_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mut store = open(&path);
        assert_eq!(names(folder.path()), [""; 0], "opening writes nothing");
        store.change("web", "a", DRAIN).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let expected = serde_json::json!({
            "version": 1, "services": { "web": { "a": { "drained": true } } }
        });
        assert_eq!(value, expected);
        assert_eq!(names(folder.path()), ["state.json"]);
    }

    proptest! {
        #[test]
        fn reopening_gives_what_was_acknowledged(
            changes in prop::collection::vec(
                (0..3usize, prop::option::of(0..1200u32), prop::option::of(any::<bool>())),
                0..12,
            ),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state.json");
            let mut model = BTreeMap::<String, (u32, bool)>::new();
            for (server, weight, drain) in changes {
                let name = format!("s{server}");
                let change = ServerChange { weight, drain };
                let refused = weight.is_some_and(|weight| weight > 1000)
                    || (weight.is_none() && drain.is_none());
                let mut store = open(&path);
                prop_assert_eq!(store.change("web", &name, change).is_err(), refused);
                if !refused {
                    let entry = model.entry(name).or_insert((5, false));
                    *entry = (weight.unwrap_or(entry.0), drain.unwrap_or(entry.1));
                }
                let reopened = open(&path);
                prop_assert_eq!(reopened.overrides(), store.overrides());
            }
            for (name, (weight, drained)) in model {
                let in_force = open(&path).overrides().weight("web", &name, 5);
                prop_assert_eq!(in_force, if drained { 0 } else { weight });
            }
        }
    }

    #[test]
    fn what_is_not_ours_is_set_aside() {
        let whole = r#"{"version":1,"services":{"web":{"a":{"drained":true}}}}"#;
        let rows: &[(&str, &str)] = &[
            ("", "not a file of overrides"),
            ("\0\0\0\0", "not a file of overrides"),
            (&whole[..whole.len() / 2], "not a file of overrides"),
            ("[1, 2]", "not a file of overrides"),
            (
                r#"{"version":2,"services":[]}"#,
                "written in version 2, this agent reads version 1",
            ),
            (
                r#"{"version":1,"services":{},"more":1}"#,
                "unknown field `more`",
            ),
            (
                r#"{"version":1,"services":{"web":{"a":{"weight":1001}}}}"#,
                "out of range",
            ),
            (
                r#"{"version":1,"services":{"web":{"a":{"wieght":1}}}}"#,
                "unknown field `wieght`",
            ),
        ];
        for (text, reason) in rows {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state.json");
            fs::write(&path, text).unwrap();
            let Opened { mut store, warning } = Store::open(&path).unwrap();
            let warning = warning.unwrap();
            assert!(warning.contains(reason), "{text:?} gave {warning:?}");
            assert!(warning.contains("state.json.unusable-1"), "{warning:?}");
            assert_eq!(*store.overrides(), Overrides::default());

            store.change("web", "a", DRAIN).unwrap();
            assert_eq!(
                names(folder.path()),
                ["state.json", "state.json.unusable-1"]
            );
            let aside = folder.path().join("state.json.unusable-1");
            assert_eq!(fs::read(aside).unwrap(), text.as_bytes());
            assert_eq!(open(&path).overrides(), store.overrides());
        }
    }

    #[test]
    fn a_truncated_file_is_never_taken_for_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        open(&path).change("web", "a", DRAIN).unwrap();
        let whole = fs::read(&path).unwrap();
        // Without the last newline it is whole.
        for length in 0..whole.len() - 1 {
            assert!(parse(&whole[..length]).is_err(), "cut to {length} bytes");
        }
        assert!(parse(&whole).is_ok());
    }

    #[test]
    fn files_set_aside_before_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        for text in ["first", "second"] {
            fs::write(&path, text).unwrap();
            assert!(Store::open(&path).unwrap().warning.is_some());
        }
        fs::create_dir(&path).unwrap();
        let warning = Store::open(&path).unwrap().warning.unwrap();
        assert!(warning.contains("not a regular file"), "{warning}");
        let expected = [
            "state.json.unusable-1",
            "state.json.unusable-2",
            "state.json.unusable-3",
        ];
        assert_eq!(names(folder.path()), expected);
    }

    #[test]
    fn what_a_crash_leaves_behind_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        open(&path).change("web", "a", DRAIN).unwrap();
        fs::write(beside(&path, ".new"), "{\"version\":1,\"serv").unwrap();
        let mut store = open(&path);
        assert_eq!(store.overrides().weight("web", "a", 1), 0);
        store.change("web", "b", DRAIN).unwrap();
        assert_eq!(open(&path).overrides().iter().count(), 2);
        assert_eq!(names(folder.path()), ["state.json"]);
    }

    #[test]
    fn what_cannot_be_written_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();

        let missing = folder.path().join("missing/state.json");
        let mut store = open(&missing);
        let error = store.change("web", "a", DRAIN).unwrap_err().to_string();
        assert!(
            error.contains("missing: No such file or directory"),
            "{error}"
        );
        assert_eq!(*store.overrides(), Overrides::default());

        let path = folder.path().join("state.json");
        let mut store = open(&path);
        store.change("web", "a", DRAIN).unwrap();
        fs::create_dir(beside(&path, ".new")).unwrap();
        let error = store.change("web", "b", DRAIN).unwrap_err().to_string();
        assert!(error.contains("state.json.new: Is a directory"), "{error}");
        assert_eq!(store.overrides().iter().count(), 1);
        assert_eq!(open(&path).overrides(), store.overrides());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("file");
        fs::write(&in_the_way, "").unwrap();
        let error = Store::open(in_the_way.join("state.json"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("Not a directory"), "{error}");
    }
}
