//! Files that the operator names; `-` is the standard input or output.

use crate::failure::Failure;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Whether a file's name stands for the standard input or output.
pub(super) fn is_standard(file: &Path) -> bool {
    file == Path::new("-")
}

/// What a file is called in messages, and its text: at most `limit` bytes and one more, which says
/// that it is too large.
pub(super) fn read(file: &Path, limit: usize) -> Result<(String, Vec<u8>), Failure> {
    let (name, text) = if is_standard(file) {
        ("<stdin>".to_owned(), bounded(io::stdin(), limit))
    } else {
        (file.display().to_string(), File::open(file).and_then(|file| bounded(file, limit)))
    };
    match text {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(Failure::Refused(format!("cannot read {name}: {error}"))),
    }
}

fn bounded(source: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(limit as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Writes a file whole or not at all. It must not be there, unless it is to be replaced; it keeps
/// its mode then.
pub(super) fn write(file: &Path, text: &[u8], replace: bool) -> Result<(), Failure> {
    refuse_existing(file, replace)?;
    let failed =
        |error: io::Error| Failure::Refused(format!("cannot write {}: {error}", file.display()));
    // A link is followed, so that it isn't replaced by a file.
    let target = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let new = beside(&target);
    let written = write_synced(&new, text)
        .and_then(|()| match fs::metadata(&target) {
            Ok(old) => fs::set_permissions(&new, old.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| match replace {
            true => fs::rename(&new, &target),
            // Unlike a rename, this fails if somebody has made the file meanwhile.
            false => fs::hard_link(&new, &target).and_then(|()| fs::remove_file(&new)),
        });
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.map_err(failed)
}

/// Refuses a file that is there, unless it is to be replaced.
pub(super) fn refuse_existing(file: &Path, replace: bool) -> Result<(), Failure> {
    match fs::metadata(file) {
        Ok(metadata) if !metadata.is_file() => {
            Err(Failure::Refused(format!("{} is not a regular file", file.display())))
        }
        Ok(_) if !replace => Err(Failure::Refused(format!(
            "{} is there already; --force replaces it, `-` writes to the standard output",
            file.display()
        ))),
        _ => Ok(()),
    }
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    name.into()
}

fn write_synced(path: &Path, text: &[u8]) -> io::Result<()> {
    const MODE: u32 = 0o644;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}
