use super::scalar::{flow, flow_list, scalar};
use crate::config::checks::{
    FALL, INITIAL, INTERVAL, Kind, RECORD, RISE, VERSIONS, default_http, default_timeout, word_of,
};
use crate::config::document::escaped;
use crate::config::duration::written;
use crate::health::check::{Check, Dns, Exec, Http, Pattern, Probe, Tls, Udp};
use lb_common::api::Verdict;
use std::ops::RangeInclusive;

type Fields = Vec<(&'static str, String)>;

/// A check as the file has it: a word, or a mapping in one line.
pub(super) fn check(check: &Check) -> String {
    let kind = Kind::of(&check.probe).word();
    let mut fields = probe(&check.probe);
    let defaults = [
        ("interval", written(check.interval), check.interval == INTERVAL),
        ("timeout", written(check.timeout), check.timeout == default_timeout(check.interval)),
        ("rise", check.rise.to_string(), check.rise == RISE),
        ("fall", check.fall.to_string(), check.fall == FALL),
        ("initial", word_of(&INITIAL, &check.initial).to_owned(), check.initial == Verdict::Down),
    ];
    let said = defaults.into_iter().filter(|(_, _, default)| !default);
    fields.extend(said.map(|(key, value, _)| (key, value)));
    fields.extend(check.address.map(|address| ("address", scalar(&address.to_string()))));
    fields.extend(check.port.map(|port| ("port", port.to_string())));
    if fields.is_empty() {
        return kind.to_owned();
    }
    fields.insert(0, ("type", kind.to_owned()));
    flow(fields)
}

fn probe(probe: &Probe) -> Fields {
    match probe {
        Probe::Tcp | Probe::Ping => Vec::new(),
        Probe::Http(request) => http(request),
        Probe::Smtp(smtp) => text("helo", smtp.helo.as_deref()).collect(),
        Probe::Dns(dns) => self::dns(dns),
        Probe::Udp(Udp { send, expect }) => {
            let send = (!send.is_empty()).then(|| ("send", scalar(&escaped(send))));
            send.into_iter().chain(pattern("expect", expect.as_ref())).collect()
        }
        Probe::Exec(Exec { command, user }) => vec![
            ("command", flow_list(command.iter().map(|word| scalar(word)))),
            ("user", scalar(user)),
        ],
    }
}

fn http(http: &Http) -> Fields {
    let default = default_http();
    let mut fields = Vec::new();
    fields.extend((http.method != default.method).then(|| ("method", scalar(&http.method))));
    fields.extend((http.path != default.path).then(|| ("path", scalar(&http.path))));
    fields.extend(text("host", http.host.as_deref()));
    let version = || ("version", word_of(&VERSIONS, &http.version).to_owned());
    fields.extend((http.version != default.version).then(version));
    let status = || ("expect", flow_list(http.status.iter().map(range)));
    fields.extend((http.status != default.status).then(status));
    fields.extend(pattern("body", http.body.as_ref()));
    if let Some(Tls { verify, name, ca }) = &http.tls {
        fields.extend((!verify).then(|| ("verify", verify.to_string())));
        fields.extend(text("name", name.as_deref()));
        fields.extend(ca.as_ref().map(|path| ("ca", scalar(&path.to_string_lossy()))));
    }
    fields
}

fn dns(dns: &Dns) -> Fields {
    let mut fields = vec![("name", scalar(&dns.name))];
    fields.extend((dns.record != RECORD).then(|| ("record", scalar(&dns.record))));
    fields.extend(text("expect", dns.expect.as_deref()));
    fields
}

fn range(range: &RangeInclusive<u16>) -> String {
    match (range.start(), range.end()) {
        (start, end) if start == end => start.to_string(),
        (start, end) => format!("{start}-{end}"),
    }
}

fn text(key: &'static str, value: Option<&str>) -> impl Iterator<Item = (&'static str, String)> {
    value.map(|value| (key, scalar(value))).into_iter()
}

fn pattern(
    key: &'static str,
    value: Option<&Pattern>,
) -> impl Iterator<Item = (&'static str, String)> {
    text(key, value.map(Pattern::as_str))
}
