//! What a single value may be.

use super::decode::{Field, Read, did_you_mean};
use super::node::Value;
use super::problem::quote;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::ops::RangeInclusive;

/// Longest name of a service or server.
const LONGEST_NAME: usize = 64;

/// Longest name of an interface (`IFNAMSIZ`, less the terminating NUL).
const LONGEST_INTERFACE: usize = 15;

/// The name of a service or server.
pub(super) fn name(field: &Field<'_>) -> Read<String> {
    let name = field.text("a name")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // The first character must not make it an option on a command line, or "..", in a path.
    if (1..=LONGEST_NAME).contains(&name.len())
        && name.chars().all(allowed)
        && !name.starts_with(['-', '.'])
    {
        return Ok(name.to_owned());
    }
    Err(field.report(format!(
        "{} cannot be a name: use 1 to {LONGEST_NAME} letters, digits, \"-\", \"_\" and \".\", \
         and begin with none of \"-\" and \".\"",
        quote(name)
    )))
}

/// The name of an interface, by the kernel's rules (`dev_valid_name`).
pub(super) fn interface(field: &Field<'_>) -> Read<String> {
    let name = field.text("the name of an interface")?;
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':');
    if (1..=LONGEST_INTERFACE).contains(&name.len())
        && !name.contains(forbidden)
        && !matches!(name, "." | "..")
    {
        return Ok(name.to_owned());
    }
    Err(field.report(format!("{} cannot be the name of an interface", quote(name))))
}

/// A whole number within a range.
pub(super) fn number(range: RangeInclusive<u32>) -> impl Fn(&Field<'_>) -> Read<u32> {
    move |field| {
        let (min, max) = (range.start(), range.end());
        let expected = || format!("a whole number from {min} to {max}");
        let Value::Scalar { text, quoted: false } = &field.node.value else {
            let quotes = match &field.node.value {
                Value::Scalar { .. } => " without quotes",
                _ => "",
            };
            return Err(field.wrong_type(&format!("{}{quotes}", expected())));
        };
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(field.wrong_type(&expected()));
        }
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(field.report(format!("{} is out of range: {min} to {max}", shown(text)))),
        }
    }
}

/// One of several words.
pub(super) fn word<'w, T>(
    choices: impl Iterator<Item = (&'w str, T)> + Clone,
) -> impl Fn(&Field<'_>) -> Read<T> {
    move |field| {
        let words = || choices.clone().map(|(word, _)| word);
        let listed = || words().collect::<Vec<_>>().join(", ");
        let Value::Scalar { text, .. } = &field.node.value else {
            return Err(field.wrong_type(&format!("one of {}", listed())));
        };
        choices.clone().find(|(word, _)| word == text).map(|(_, value)| value).ok_or_else(|| {
            let hint = did_you_mean(text, words());
            field.report(format!("{} is not known{hint}; accepted are {}", quote(text), listed()))
        })
    }
}

/// Yes or no.
pub(super) fn truth(field: &Field<'_>) -> Read<bool> {
    word([("true", true), ("false", false), ("yes", true), ("no", false)].into_iter())(field)
}

/// The words of an enumeration.
pub(super) fn words<T: Copy>(
    all: &'static [T],
    word: fn(T) -> &'static str,
) -> impl Iterator<Item = (&'static str, T)> + Clone {
    all.iter().map(move |&value| (word(value), value))
}

/// A prime number up to `max`.
pub(super) fn prime(max: u32) -> impl Fn(&Field<'_>) -> Read<u32> {
    move |field| {
        let found = number(2..=max)(field)?;
        if is_prime(found) {
            return Ok(found);
        }
        let hint = match (found..=max).find(|&number| is_prime(number)) {
            Some(next) => format!("; the next is {next}"),
            None => String::new(),
        };
        Err(field.report(format!("{found} is not a prime number{hint}")))
    }
}

/// An address that packets can be sent to, and a port.
pub(super) fn endpoint(field: &Field<'_>) -> Read<SocketAddr> {
    let address = endpoint_or_loopback(field)?;
    if address.ip().is_loopback() {
        let why = "it is a loopback address, which never leaves a host";
        return Err(field.report(format!("{address} cannot be used: {why}")));
    }
    Ok(address)
}

/// Like [`endpoint`], or this host and a port.
pub(super) fn endpoint_or_loopback(field: &Field<'_>) -> Read<SocketAddr> {
    const EXPECTED: &str = "an address with a port, like 192.168.0.99:80 or \"[2001:db8::99]:80\"";
    let text = field.text(EXPECTED)?;
    let address = text.parse::<SocketAddr>().map_err(|_| {
        field.report(
            why_no_endpoint(text)
                .unwrap_or_else(|| format!("{} is no address; expected {EXPECTED}", quote(text))),
        )
    })?;
    match why_unusable(address) {
        None => Ok(address),
        Some(why) => Err(field.report(format!("{address} cannot be used: {why}"))),
    }
}

/// An address without a port; loopback is one too.
pub(super) fn ip_address(field: &Field<'_>) -> Read<IpAddr> {
    const EXPECTED: &str = "an address without a port, like 192.168.0.150 or \"2001:db8::150\"";
    let text = field.text(EXPECTED)?;
    let address = text
        .parse::<IpAddr>()
        .map_err(|_| field.report(format!("{} is no address; expected {EXPECTED}", quote(text))))?;
    // Any port that exists does for the rules.
    match why_unusable(SocketAddr::new(address, 1)) {
        None => Ok(address),
        Some(why) => Err(field.report(format!("{address} cannot be used: {why}"))),
    }
}

/// What is wrong with a text that is almost an address with a port.
fn why_no_endpoint(text: &str) -> Option<String> {
    let bare = without_brackets(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        let example = SocketAddr::new(address, 80);
        let brackets = if text.contains(':') && bare == text {
            "; an IPv6 address is written in brackets"
        } else {
            ""
        };
        return Some(format!("the port is missing{brackets}, like {:?}", example.to_string()));
    }
    let (host, port) = text.rsplit_once(':')?;
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match (without_brackets(host).parse::<IpAddr>(), port.parse::<u16>()) {
        (Ok(address), Ok(port)) => {
            let correct = SocketAddr::new(address, port).to_string();
            Some(format!("{} is written {correct:?}", quote(text)))
        }
        (Ok(_), Err(_)) => Some(format!("port {} is out of range: 1 to 65535", shown(port))),
        (Err(_), _) if host.contains(|c: char| c.is_ascii_alphabetic()) && !host.contains(':') => {
            Some(format!("{} is a host name; write its address", quote(host)))
        }
        (Err(_), _) => None,
    }
}

fn without_brackets(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

fn why_unusable(address: SocketAddr) -> Option<&'static str> {
    let ip = address.ip();
    let v6_is =
        |test: fn(&SocketAddrV6) -> bool| matches!(&address, SocketAddr::V6(v6) if test(v6));
    let rules = [
        (address.port() == 0, "port 0 does not exist; use 1 to 65535"),
        (ip.is_unspecified(), "it stands for no address"),
        (ip.is_multicast(), "it is a multicast address"),
        (ip == Ipv4Addr::BROADCAST, "it is the broadcast address"),
        (
            v6_is(|v6| v6.ip().to_ipv4_mapped().is_some()),
            "it is an IPv4 address in IPv6 form; write it as IPv4",
        ),
        (
            v6_is(|v6| v6.ip().is_unicast_link_local() || v6.scope_id() != 0),
            "it is a link-local address, which is valid on one link only",
        ),
    ];
    rules.into_iter().find_map(|(broken, why)| broken.then_some(why))
}

fn is_prime(number: u32) -> bool {
    let mut divisors = (2..).take_while(|divisor| *divisor <= number / divisor);
    number >= 2 && !divisors.any(|divisor| number.is_multiple_of(divisor))
}

/// A number from the file, cut short without quotes.
pub(super) fn shown(number: &str) -> String {
    const DIGITS: usize = 20;
    match number.get(..DIGITS) {
        Some(start) if number.len() > DIGITS => format!("{start}…"),
        _ => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes() {
        let primes: Vec<u32> = (0..30).filter(|&number| is_prime(number)).collect();
        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
        assert!(is_prime(65_537) && is_prime(4_194_301));
        assert!(!is_prime(4_194_303) && !is_prime(65_521 * 65_521));
        assert!(is_prime(4_294_967_291) && !is_prime(u32::MAX));
    }
}
