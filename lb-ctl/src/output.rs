//! From the agent's answer to what is printed.

use crate::Format;
use crate::client::{Client, Next, Request};
use crate::failure::{FOUND, Failure};
use crate::terminal::{note, printable};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::io::{self, Write};
use std::process::ExitCode;

/// What a command shows to people.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// Goes to the standard output.
    pub text: String,
    /// Goes to the standard error: not part of what was asked for.
    pub note: Option<String>,
    /// Whether there is something that a script should stumble over.
    pub found: bool,
}

impl From<String> for View {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

/// Sends a request and shows its answer as `format` says.
pub(crate) fn show<T: DeserializeOwned>(
    client: &Client,
    format: Format,
    request: &Request,
    view: impl FnOnce(T) -> View,
) -> Result<ExitCode, Failure> {
    let answer = client.send(request)?;
    let parsed = serde_json::from_slice(&answer).map_err(|error| client.strange(&error))?;
    let View { text, note, found } = view(parsed);
    match format {
        Format::Table => {
            print(&printable(&text))?;
            if let Some(text) = note {
                self::note(&printable(&text));
            }
        }
        Format::Json => {
            let text = pretty(&answer).map_err(|error| client.strange(&error))?;
            print(&text)?;
        }
    }
    Ok(if found { FOUND.into() } else { ExitCode::SUCCESS })
}

/// Prints to the standard output. That nobody reads to the end (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_more(text).map(|_| ())
}

/// Prints a part to the standard output, and says whether anybody reads on.
pub(crate) fn print_more(text: &str) -> Result<Next, Failure> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Ok(Next::More),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Next::Enough),
        Err(error) => Err(Failure::Refused(format!("cannot write the answer: {error}"))),
    }
}

/// Sends a request with no answer but that it was done, and says so to people.
pub(crate) fn done(
    client: &Client,
    format: Format,
    request: &Request,
    said: &str,
) -> Result<ExitCode, Failure> {
    client.send(request)?;
    if format == Format::Table {
        print(&printable(&format!("{said}\n")))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends a request and reads its answer.
pub(crate) fn ask<T: DeserializeOwned>(client: &Client, request: &Request) -> Result<T, Failure> {
    serde_json::from_slice(&client.send(request)?).map_err(|error| client.strange(&error))
}

/// A body of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|error| Failure::Refused(format!("not JSON: {error}")))
}

/// JSON on lines of its own, otherwise as it came: the order of fields, digits of numbers and
/// escapes of strings stay.
fn pretty(json: &[u8]) -> serde_json::Result<String> {
    serde_json::from_slice::<IgnoredAny>(json)?;
    // It is UTF-8, as was just seen.
    let json = String::from_utf8_lossy(json);
    let mut pretty = String::with_capacity(json.len() * 2);
    let mut strings = Strings::default();
    let mut depth = 0;
    let mut opened = false;
    for character in json.chars() {
        // Characters of strings are nothing but themselves.
        let mark = if strings.contains(character) { ' ' } else { character };
        if character.is_ascii_whitespace() && !strings.inside {
            continue;
        }
        let closes = matches!(mark, ']' | '}');
        if closes {
            depth -= 1;
        }
        // What is empty stays on one line.
        if opened != closes {
            new_line(&mut pretty, depth);
        }
        pretty.push(character);
        opened = matches!(mark, '[' | '{');
        match mark {
            '[' | '{' => depth += 1,
            ',' => new_line(&mut pretty, depth),
            ':' => pretty.push(' '),
            _ => {}
        }
    }
    pretty.push('\n');
    Ok(pretty)
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

/// Follows JSON text and knows which of its characters belong to strings.
#[derive(Default)]
struct Strings {
    inside: bool,
    escaped: bool,
}

impl Strings {
    /// Whether the next character is one of a string, its quotes included.
    fn contains(&mut self, character: char) -> bool {
        let before = self.inside;
        match character {
            _ if self.escaped => self.escaped = false,
            '\\' => self.escaped = self.inside,
            '"' => self.inside = !self.inside,
            _ => {}
        }
        before || self.inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pretty_changes_nothing_but_space() {
        let rows = [
            ("null", "null\n"),
            ("[]", "[]\n"),
            ("[ { } ]", "[\n  {}\n]\n"),
            (
                r#"{"z":18446744073709551615, "a":[1.50,"b, {c}: \"d\" \\"]}"#,
                "{\n  \"z\": 18446744073709551615,\n  \"a\": [\n    1.50,\n    \"b, {c}: \\\"d\\\" \\\\\"\n  ]\n}\n",
            ),
            ("\"a  b\"", "\"a  b\"\n"),
        ];
        for (json, expected) in rows {
            assert_eq!(pretty(json.as_bytes()).unwrap(), expected);
        }
        for broken in ["", "{", "{]", "[1,]", "\"\n\"", "[] []"] {
            assert!(pretty(broken.as_bytes()).is_err(), "{broken:?}");
        }
    }
}
