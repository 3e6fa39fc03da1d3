//! Words, lists and mappings in YAML's flow style.

use std::fmt::Write;

/// Text as a word if it reads as the same text then, else in quotes.
pub(super) fn scalar(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else if !text.contains('\'') && text.chars().all(|c| matches!(c, ' '..='~')) {
        // Nothing is escaped in these: expressions stay legible.
        let quote = if text.contains(['\\', '"']) { '\'' } else { '"' };
        format!("{quote}{text}{quote}")
    } else {
        in_double_quotes(text)
    }
}

/// `[a, b]`
pub(super) fn flow_list(values: impl IntoIterator<Item = String>) -> String {
    let values: Vec<String> = values.into_iter().collect();
    format!("[{}]", values.join(", "))
}

/// `{ a: 1, b: 2 }`
pub(super) fn flow(fields: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let fields: Vec<String> =
        fields.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

/// Whether YAML takes a text for a word as it stands, also within brackets.
fn is_plain(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric();
    let inner = |c: char| word(c) || matches!(c, '_' | '.' | '/' | '-' | '+' | '=' | '%');
    let colons = || text.split(':').skip(1).all(|rest| rest.starts_with(word));
    text.starts_with(|c| word(c) || c == '/')
        && text.chars().all(|c| inner(c) || c == ':')
        && colons()
        && !matches!(text, "null" | "Null" | "NULL")
}

fn in_double_quotes(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ if c.is_alphanumeric() => quoted.push(c),
            // Writing to a string cannot fail.
            _ => _ = write!(quoted, "\\U{:08x}", u32::from(c)),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_where_they_are_needed() {
        let rows = [
            ("eth0", "eth0"),
            ("192.168.0.99:80", "192.168.0.99:80"),
            ("[2001:db8::99]:80", "\"[2001:db8::99]:80\""),
            ("/check.txt", "/check.txt"),
            ("^a\\d+$", "'^a\\d+$'"),
            ("it's \\", "\"it's \\\\\""),
            ("say \"hi\"", "'say \"hi\"'"),
            ("", "\"\""),
            ("null", "\"null\""),
            ("---", "\"---\""),
            ("a: b", "\"a: b\""),
            ("a:", "\"a:\""),
            ("é\n", "\"é\\U0000000a\""),
        ];
        for (text, expected) in rows {
            assert_eq!(scalar(text), expected, "{text:?}");
        }
    }
}
