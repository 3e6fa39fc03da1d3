//! What is asked of a server, and what counts as an answer: the fields of one type of check.

use super::super::checks::{Kind, RECORD, VERSIONS, default_http};
use super::super::decode::{Field, Mapping, Read};
use super::super::host::Host;
use super::super::node::Value;
use super::super::problem::quote;
use super::super::value::{truth, word};
use crate::health::check::{Dns, Exec, Http, Pattern, Probe, Smtp, Tls, Udp};
use hickory_proto::rr::Name;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use tokio_rustls::rustls::pki_types::ServerName;

/// The fields that not every type has, and whose they are.
const FIELDS: [(&str, &[Kind]); 14] = [
    ("method", &[Kind::Http, Kind::Https]),
    ("path", &[Kind::Http, Kind::Https]),
    ("host", &[Kind::Http, Kind::Https]),
    ("version", &[Kind::Http, Kind::Https]),
    ("body", &[Kind::Http, Kind::Https]),
    ("expect", &[Kind::Http, Kind::Https, Kind::Dns, Kind::Udp]),
    ("verify", &[Kind::Https]),
    ("ca", &[Kind::Https]),
    ("name", &[Kind::Https, Kind::Dns]),
    ("helo", &[Kind::Smtp]),
    ("record", &[Kind::Dns]),
    ("send", &[Kind::Udp]),
    ("command", &[Kind::Exec]),
    ("user", &[Kind::Exec]),
];

/// The record types whose text can be compared.
const RECORDS: [&str; 10] = ["A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"];

const METHODS: [&str; 6] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"];

/// Longest text of a field, in bytes.
const LONGEST: usize = 1024;

/// Longest datagram, in bytes: it fits into a packet on any usual link.
const LONGEST_DATAGRAM: usize = 1400;

/// Reads the fields of a type, and refuses those of the others.
pub(super) fn probe(map: &mut Mapping<'_>, kind: Read<Kind>, host: &dyn Host) -> Read<Probe> {
    let kind = match kind {
        Ok(kind) => kind,
        Err(reported) => {
            // Whose fields they are is not known.
            FIELDS.iter().for_each(|(key, _)| map.skip(key));
            return Err(reported);
        }
    };
    let mut misplaced = Ok(());
    for (key, kinds) in FIELDS.iter().filter(|(_, kinds)| !kinds.contains(&kind)) {
        let refused = map.misplaced(key, || {
            let whose: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
            format!("{key} is for {}, but this check is {}", whose.join(" and "), kind.word())
        });
        misplaced = misplaced.and(refused);
    }
    let probe = match kind {
        Kind::Tcp => Ok(Probe::Tcp),
        Kind::Http => http(map, None),
        Kind::Https => {
            let tls = tls(map, host);
            http(map, tls.as_ref().ok().cloned()).and_then(|probe| tls.map(|_| probe))
        }
        Kind::Smtp => {
            let helo = map.optional("helo", token);
            Ok(Probe::Smtp(Smtp { helo: helo?.map(|at| at.value) }))
        }
        Kind::Dns => dns(map),
        Kind::Udp => {
            let send = map.or("send", Vec::new(), payload);
            let expect = map.optional("expect", pattern);
            Ok(Probe::Udp(Udp { send: send?, expect: expect?.map(|at| at.value) }))
        }
        Kind::Ping => Ok(Probe::Ping),
        Kind::Exec => exec(map, host),
    };
    misplaced.and(probe)
}

fn http(map: &mut Mapping<'_>, tls: Option<Tls>) -> Read<Probe> {
    let default = default_http();
    let method = map.optional("method", word(METHODS.map(|method| (method, method)).into_iter()));
    let path = map.or("path", default.path, path);
    let host = map.optional("host", token);
    let version = map.or("version", default.version, word(VERSIONS.into_iter()));
    let status = map.or("expect", default.status, statuses);
    let body = map.optional("body", pattern);
    Ok(Probe::Http(Http {
        tls,
        method: method?.map_or(default.method, |at| at.value.to_owned()),
        path: path?,
        host: host?.map(|at| at.value),
        version: version?,
        status: status?,
        body: body?.map(|at| at.value),
    }))
}

fn tls(map: &mut Mapping<'_>, host: &dyn Host) -> Read<Tls> {
    let verify = map.or("verify", true, truth);
    let name = map.optional("name", |field| {
        let name = token(field)?;
        match ServerName::try_from(name.as_str()) {
            Ok(_) => Ok(name),
            Err(_) => Err(field.report(format!(
                "{} is no name of a TLS server; expected one like www.example.org",
                quote(&name)
            ))),
        }
    });
    let ca = map.optional("ca", |field| {
        let path = absolute(field)?;
        if host.has_file(&path) { Ok(path) } else { Err(field.report("there is no such file")) }
    });
    Ok(Tls { verify: verify?, name: name?.map(|at| at.value), ca: ca?.map(|at| at.value) })
}

fn dns(map: &mut Mapping<'_>) -> Read<Probe> {
    let name = map.required("name", "example.org", |field| {
        let name = token(field)?;
        match Name::from_ascii(&name) {
            Ok(_) => Ok(name),
            Err(_) => Err(field.report(format!("{} is no domain name", quote(&name)))),
        }
    });
    let record = map.or("record", RECORD, word(RECORDS.map(|r| (r, r)).into_iter()));
    let expect = map.optional("expect", |field| printable(field, "a record, like 192.168.0.99"));
    Ok(Probe::Dns(Dns {
        name: name?.value,
        record: record?.to_owned(),
        expect: expect?.map(|at| at.value),
    }))
}

fn exec(map: &mut Mapping<'_>, host: &dyn Host) -> Read<Probe> {
    const COMMAND: &str = "[/usr/local/bin/check, argument]";
    let command = map.required("command", COMMAND, |field| {
        let mut first = true;
        let command = field.list(&format!("a list, like {COMMAND}"), |field| {
            if std::mem::take(&mut first) {
                program(field, host)
            } else {
                let argument = field.text("an argument")?;
                let whole = !argument.contains('\0');
                field.obey(whole.then_some(()).ok_or("an argument has no NUL".to_owned()))?;
                Ok(argument.to_owned())
            }
        })?;
        if command.is_empty() {
            return Err(field.report(format!("expected a program, like {COMMAND}")));
        }
        Ok(command)
    });
    let user = map.required("user", "nobody", |field| {
        let user = field.text("the name of a user")?;
        match host.user(user) {
            None => Err(field.report(format!("this host has no user {}", quote(user)))),
            Some(0) => Err(field.report(format!(
                "{} may do everything, which no check needs; choose an unprivileged user",
                quote(user)
            ))),
            Some(_) => Ok(user.to_owned()),
        }
    });
    Ok(Probe::Exec(Exec { command: command?.value, user: user?.value }))
}

fn program(field: &Field<'_>, host: &dyn Host) -> Read<String> {
    let path = absolute(field)?;
    if !host.can_run(&path) {
        return Err(field.report("there is no such program, or it isn't executable"));
    }
    Ok(path.to_string_lossy().into_owned())
}

fn absolute(field: &Field<'_>) -> Read<PathBuf> {
    let text = printable(field, "an absolute path")?;
    if text.starts_with('/') {
        return Ok(Path::new(&text).to_owned());
    }
    Err(field.report(format!("{} is no absolute path: begin with /", quote(&text))))
}

/// Text without characters that would change the meaning of a line.
fn printable(field: &Field<'_>, expected: &str) -> Read<String> {
    let text = field.text(expected)?;
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(field.report(format!(
            "expected {expected}: 1 to {LONGEST} bytes without control characters"
        )));
    }
    Ok(text.to_owned())
}

/// A word that stands in a line of a protocol.
fn token(field: &Field<'_>) -> Read<String> {
    let text = printable(field, "a name")?;
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(field.report(format!("{} cannot be sent: only ASCII, no spaces", quote(&text))))
}

fn path(field: &Field<'_>) -> Read<String> {
    let path = token(field)?;
    if path.starts_with('/') {
        return Ok(path);
    }
    Err(field.report(format!("{} is no path: begin with /", quote(&path))))
}

/// A list of statuses and ranges of them, or just one of these.
fn statuses(field: &Field<'_>) -> Read<Vec<RangeInclusive<u16>>> {
    if let Value::Scalar { .. } = &field.node.value {
        return Ok(vec![status(field)?]);
    }
    let statuses = field.list("a list of statuses, like [200-299, 401]", status)?;
    if statuses.is_empty() {
        return Err(field.report("no status would pass; expected some, like [200-299, 401]"));
    }
    Ok(statuses)
}

fn status(field: &Field<'_>) -> Read<RangeInclusive<u16>> {
    const EXPECTED: &str = "a status from 100 to 599 or a range like 200-299";
    let text = field.text(EXPECTED)?;
    let number = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && (100..=599).contains(number))
    };
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    match (number(start), number(end)) {
        (Some(start), Some(end)) if start <= end => Ok(start..=end),
        _ => Err(field.wrong_type(EXPECTED)),
    }
}

fn pattern(field: &Field<'_>) -> Read<Pattern> {
    let text = field.text("a regular expression")?;
    Pattern::new(text).map_err(|error| {
        // The lines before the last draw the place.
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        field.report(format!("{} is no regular expression: {reason}", quote(text)))
    })
}

/// ASCII with the escapes of [`escaped`].
fn payload(field: &Field<'_>) -> Read<Vec<u8>> {
    let text = field.text("text, like 'ping\\x00'")?;
    let bytes = unescape(text).map_err(|problem| field.report(problem))?;
    if bytes.len() > LONGEST_DATAGRAM {
        return Err(field.report(format!("longer than {LONGEST_DATAGRAM} bytes")));
    }
    Ok(bytes)
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let byte = match c {
            '\\' => match rest.next() {
                Some('n') => Some(b'\n'),
                Some('r') => Some(b'\r'),
                Some('t') => Some(b'\t'),
                Some('\\') => Some(b'\\'),
                Some('x') => {
                    let digits = rest.as_str().get(..2);
                    rest.nth(1);
                    digits
                        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                        .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                }
                _ => None,
            },
            c if c.is_ascii() => u8::try_from(c).ok(),
            c => {
                return Err(format!(
                    "{} is no ASCII: write its bytes as \\xNN, the text in single quotes",
                    quote(&c.to_string())
                ));
            }
        };
        bytes.push(byte.ok_or("after \\ comes n, r, t, \\ or x with two hexadecimal digits")?);
    }
    Ok(bytes)
}

/// Bytes as a text of printable ASCII, which is read as the same bytes.
pub(in super::super) fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(char::from(*byte)),
            // Writing to a string cannot fail.
            _ => _ = write!(text, "\\x{byte:02x}"),
        }
        text
    })
}
