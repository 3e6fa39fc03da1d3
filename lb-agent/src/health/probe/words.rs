//! Causes in words.

use crate::health::check::Pattern;
use nix::errno::Errno;
use std::io::{self, ErrorKind};

/// An error of a stream or a file.
pub(super) fn io(error: &io::Error) -> String {
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::UnexpectedEof, _) => CLOSED.to_owned(),
        (ErrorKind::BrokenPipe | ErrorKind::ConnectionReset, _) => "connection reset".to_owned(),
        (_, Some(code)) => errno(Errno::from_raw(code)),
        (_, None) => error.to_string(),
    }
}

/// The server closed before it had answered.
pub(super) const CLOSED: &str = "connection closed before the answer was complete";

/// A system call's error, in lower case as in the midst of a sentence.
pub(super) fn errno(error: Errno) -> String {
    let words = error.desc();
    let mut chars = words.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}

/// A server's or a command's own words: at most `max` characters, none of them a control character.
pub(super) fn excerpt(bytes: &[u8], max: usize) -> String {
    // Bytes of the longest UTF-8 sequence: enough for `max` characters, and a bound for the work.
    let head = &bytes[..bytes.len().min(max.saturating_mul(4).saturating_add(4))];
    let text = String::from_utf8_lossy(head.trim_ascii());
    let mut excerpt: String =
        text.chars().take(max).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// An expression, quoted.
pub(super) fn pattern(pattern: &Pattern) -> String {
    const MAX: usize = 80;
    format!("\"{}\"", excerpt(pattern.as_str().as_bytes(), MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_read_as_words() {
        let error = io::Error::from_raw_os_error(Errno::EMFILE as i32);
        assert_eq!(io(&error), "too many open files");
    }

    #[test]
    fn excerpts_are_cut_and_clean() {
        assert_eq!(excerpt(b"220 ready\r\n", 80), "220 ready");
        assert_eq!(excerpt(b"a\x1b[31mb", 80), "a\u{fffd}[31mb");
        assert_eq!(excerpt("äöüß".as_bytes(), 3), "äöü…");
        assert_eq!(excerpt("äöü".as_bytes(), 3), "äöü");
        assert_eq!(excerpt(&[0xff; 1000], 2), "\u{fffd}\u{fffd}…");
        assert_eq!(excerpt(b"", 3), "");
    }
}
