use super::decode::{Field, Read};
use super::document::Context;
use super::host::{Host, ThisHost};
use super::model::Config;
use super::problem::{Place, Problems};
use super::{document, node};
use lb_common::api::{MAX_CHECK, Problem};
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads a configuration file, or says all that is wrong with it.
///
/// A file that cannot be read, is too large or is not UTF-8 is a problem like any other.
/// `interface_exists` tells whether this host has an interface of a name.
pub fn load(path: &Path, interface_exists: &dyn Fn(&str) -> bool) -> Result<Config, Vec<Problem>> {
    let file = path.to_string_lossy();
    let whole = |message: String| Problems::only(&file, Place::default(), message);
    let bytes = read(path).map_err(|error| whole(format!("cannot be read: {error}")))?;
    if bytes.len() > MAX_CHECK {
        return Err(vec![Problem::too_large(&file)]);
    }
    parse_bytes(&file, &bytes, interface_exists)
}

/// Like [`parse`], for a text that may not be UTF-8.
pub fn parse_bytes(
    path: &str,
    bytes: &[u8],
    interface_exists: &dyn Fn(&str) -> bool,
) -> Result<Config, Vec<Problem>> {
    parse(path, utf8(path, bytes)?, interface_exists)
}

/// Reads a configuration from `text`, or says all that is wrong with it; `path` names the text in
/// the problems.
pub fn parse(
    path: &str,
    text: &str,
    interface_exists: &dyn Fn(&str) -> bool,
) -> Result<Config, Vec<Problem>> {
    let host = ThisHost(interface_exists);
    read_text(path, text, document::CONFIGURATION, &host, document::config)
}

/// Reads what `read` reads from a text, or says all that is wrong with it.
pub(super) fn read_text<T>(
    path: &str,
    text: &str,
    expected: &str,
    host: &dyn Host,
    read: impl FnOnce(&Field<'_>, &Context<'_>) -> Read<T>,
) -> Result<T, Vec<Problem>> {
    let root = match node::read(text) {
        Ok(Some(root)) => root,
        Ok(None) => {
            let message = format!("empty; expected {expected}");
            return Err(Problems::only(path, Place::default(), message));
        }
        Err(error) => return Err(Problems::only(path, error.place, error.message)),
    };
    let problems = Problems::new(path);
    let value = read(&Field::root(&root, &problems), &Context::new(host));
    value.map_err(|_| problems.into_vec())
}

/// A text of bytes that are UTF-8.
pub(super) fn utf8<'t>(path: &str, bytes: &'t [u8]) -> Result<&'t str, Vec<Problem>> {
    str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let byte = bytes[error.valid_up_to()];
        let message = format!("the byte {byte:#04x} is not UTF-8; save the file as UTF-8");
        Problems::only(path, Place::after(&valid), message)
    })
}

/// At most one byte more than is allowed.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for somebody to write to it.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_CHECK as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
