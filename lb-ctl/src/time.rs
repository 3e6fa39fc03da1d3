//! Times and durations, read and written.

/// Units of a duration, as in the configuration file.
const UNITS: [(char, u32); 4] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];

/// Reads a duration like `90`, `90s`, `5m`, `2h` or `1d`; in seconds.
pub(crate) fn seconds(text: &str) -> Result<u32, &'static str> {
    let (digits, unit) = UNITS
        .iter()
        .find_map(|&(letter, unit)| Some((text.strip_suffix(letter)?, unit)))
        .unwrap_or((text, 1));
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u32>());
    match number {
        Some(Ok(number)) => number.checked_mul(unit).ok_or("too long"),
        _ => Err("expected a duration such as 90s, 5m, 2h or 1d"),
    }
}

/// Seconds as `2d3h`, `3h4m`, `4m5s` or `5s`.
pub(crate) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{}m", minutes % 60),
        _ => format!("{days}d{}h", hours % 24),
    }
}

/// Milliseconds as [`duration`], with tenths below ten seconds: `1.3s`.
pub(crate) fn ago(milliseconds: u64) -> String {
    if milliseconds < 10_000 {
        format!("{}.{}s", milliseconds / 1000, milliseconds / 100 % 10)
    } else {
        duration(milliseconds / 1000)
    }
}

/// Microseconds as milliseconds: `0.25ms`.
pub(crate) fn latency(microseconds: u64) -> String {
    format!("{}.{:02}ms", microseconds / 1000, microseconds / 10 % 100)
}

/// Seconds as `ipvsadm -Lnc` shows them: `14:59`.
pub(crate) fn clock(seconds: u32) -> String {
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// Milliseconds since 1970 as RFC 3339 has it, in UTC: `2026-01-02T03:04:05.678Z`.
pub(crate) fn timestamp(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let fraction = milliseconds % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
}

/// Year, month and day of the day that is so many after 1970-01-01 in the Gregorian calendar.
///
/// Counted from 0000-03-01, so that a leap day ends its year; an era is 400 years, after which the
/// calendar repeats (H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days).
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let rows = [("0", 0), ("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86_400)];
        for (text, expected) in rows {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for wrong in ["", "s", "-1", "+1", "1.5m", "5 m", "5w", "5ms", "99999999999", "99999d"] {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn durations_are_written() {
        let rows =
            [(59, "59s"), (61, "1m1s"), (3600, "1h0m"), (86_399, "23h59m"), (183_600, "2d3h")];
        for (seconds, expected) in rows {
            assert_eq!(duration(seconds), expected);
        }
        assert_eq!([0, 9_999, 10_000, 192_999].map(ago), ["0.0s", "9.9s", "10s", "3m12s"]);
        assert_eq!([7, 250, 1_234_567].map(latency), ["0.00ms", "0.25ms", "1234.56ms"]);
        assert_eq!([0, 899, 3600].map(clock), ["00:00", "14:59", "60:00"]);
    }

    #[test]
    fn timestamps() {
        // As `date -u --date=@SECONDS` has them.
        let rows = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
            (1_798_761_599_000, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (milliseconds, expected) in rows {
            assert_eq!(timestamp(milliseconds), expected);
        }
    }
}
