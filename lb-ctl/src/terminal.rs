//! What goes to a terminal.

use std::io::{self, Write};

/// Erases what is behind the cursor in its line (ECMA-48, EL).
pub(crate) const ERASE_LINE: &str = "\u{1b}[K";

/// Prints a line to the standard error, if anybody reads it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The text without characters that would command the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut printable, character| {
        if character.is_control() && character != '\n' {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
        printable
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_commands_to_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{9b}c\n\r"), "a\\u{1b}[31mb\\u{9b}c\n\\r");
    }
}
