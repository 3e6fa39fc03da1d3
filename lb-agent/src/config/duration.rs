//! Durations as they are written: a whole number and a unit.

use super::decode::{Field, Read};
use super::value::shown;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Units and their milliseconds, the longest first.
const UNITS: [(&str, u64); 5] =
    [("d", 24 * 60 * 60 * 1000), ("h", 60 * 60 * 1000), ("m", 60 * 1000), ("s", 1000), ("ms", 1)];

/// A duration in whole seconds: `90`, `90s`, `15m`, `2h` or `1d`.
pub(super) fn seconds(range: RangeInclusive<u32>) -> impl Fn(&Field<'_>) -> Read<u32> {
    const EXPECTED: &str = "a duration like 90s, 15m, 2h or 1d";
    let bound = |seconds: u32| u64::from(seconds) * 1000;
    let range = bound(*range.start())..=bound(*range.end());
    move |field| {
        let text = field.text(EXPECTED)?;
        let millis = parse(text).filter(|_| !text.ends_with("ms"));
        let millis = millis.ok_or_else(|| field.wrong_type(EXPECTED))?;
        let seconds = within(&range, millis, field, text)? / 1000;
        Ok(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

/// A duration in whole milliseconds: `500ms`, or as with [`seconds`].
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Field<'_>) -> Read<Duration> {
    const EXPECTED: &str = "a duration like 500ms, 2s, 1m or 1h";
    let range = millis(*range.start())..=millis(*range.end());
    move |field| {
        let text = field.text(EXPECTED)?;
        let millis = parse(text).ok_or_else(|| field.wrong_type(EXPECTED))?;
        within(&range, millis, field, text).map(Duration::from_millis)
    }
}

/// A duration of whole milliseconds in the longest unit that fits.
pub(super) fn written(duration: Duration) -> String {
    in_words(millis(duration))
}

/// Milliseconds; `u64::MAX` for a number that is no `u64`.
fn parse(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" => 1000,
        unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(factor))
}

fn within(range: &RangeInclusive<u64>, millis: u64, field: &Field<'_>, text: &str) -> Read<u64> {
    if range.contains(&millis) {
        return Ok(millis);
    }
    let (min, max) = (in_words(*range.start()), in_words(*range.end()));
    Err(field.report(format!("{} is out of range: {min} to {max}", shown(text))))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn in_words(millis: u64) -> String {
    let fitting = UNITS.iter().find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit));
    fitting.map_or("0s".to_owned(), |(name, unit)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_words() {
        let words = [0, 1, 90, 120, 7200, 7 * 24 * 60 * 60]
            .map(|seconds| written(Duration::from_secs(seconds)));
        assert_eq!(words, ["0s", "1s", "90s", "2m", "2h", "7d"]);
        assert_eq!(written(Duration::from_millis(1500)), "1500ms");
    }

    #[test]
    fn words_as_durations() {
        let rows = [
            ("90", Some(90_000)),
            ("90s", Some(90_000)),
            ("50ms", Some(50)),
            ("2m", Some(120_000)),
            ("0", Some(0)),
            ("99999999999999999999d", Some(u64::MAX)),
            ("", None),
            ("ms", None),
            ("-1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("1w", None),
            ("1s2m", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
