//! Words and defaults of checks.

use crate::health::check::{Http, HttpVersion, Probe};
use lb_common::api::Verdict;
use std::time::Duration;

/// The default interval.
pub(super) const INTERVAL: Duration = Duration::from_secs(2);

/// The default of `rise`.
pub(super) const RISE: u32 = 2;

/// The default of `fall`.
pub(super) const FALL: u32 = 3;

/// The default record type.
pub(super) const RECORD: &str = "A";

/// The words for the versions of HTTP.
pub(super) const VERSIONS: [(&str, HttpVersion); 2] =
    [("1.0", HttpVersion::V10), ("1.1", HttpVersion::V11)];

/// The default timeout: a second, or the interval if that is less.
pub(super) fn default_timeout(interval: Duration) -> Duration {
    interval.min(Duration::from_secs(1))
}

/// `GET /` without TLS; statuses from 200 to 399 pass, as with HAProxy.
pub(super) fn default_http() -> Http {
    Http {
        tls: None,
        method: "GET".to_owned(),
        path: "/".to_owned(),
        host: None,
        version: HttpVersion::default(),
        status: vec![200..=399],
        body: None,
    }
}

/// The word for no check.
pub(super) const OFF: &str = "off";

/// The words for what a server counts as before its first result.
pub(super) const INITIAL: [(&str, Verdict); 2] =
    [(Verdict::Down.word(), Verdict::Down), (Verdict::Up.word(), Verdict::Up)];

/// The type of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tcp,
    Http,
    Https,
    Smtp,
    Dns,
    Udp,
    Ping,
    Exec,
}

/// The words for the types.
pub(super) const KINDS: [(&str, Kind); 8] = [
    ("tcp", Kind::Tcp),
    ("http", Kind::Http),
    ("https", Kind::Https),
    ("smtp", Kind::Smtp),
    ("dns", Kind::Dns),
    ("udp", Kind::Udp),
    ("ping", Kind::Ping),
    ("exec", Kind::Exec),
];

impl Kind {
    pub(super) fn of(probe: &Probe) -> Self {
        match probe {
            Probe::Tcp => Self::Tcp,
            Probe::Http(http) if http.tls.is_some() => Self::Https,
            Probe::Http(_) => Self::Http,
            Probe::Smtp(_) => Self::Smtp,
            Probe::Dns(_) => Self::Dns,
            Probe::Udp(_) => Self::Udp,
            Probe::Ping => Self::Ping,
            Probe::Exec(_) => Self::Exec,
        }
    }

    pub(super) fn word(self) -> &'static str {
        word_of(&KINDS, &self)
    }
}

/// The word for a value that is in a table.
pub(super) fn word_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, other)| other == value).map_or("", |(word, _)| word)
}
