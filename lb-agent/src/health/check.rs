//! What a check is: what is asked of a server, how often, and what counts as an answer.

use lb_common::api::Verdict;
use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

/// A check as the configuration describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    /// What is asked, and what counts as an answer.
    pub probe: Probe,
    /// From the beginning of one run to that of the next.
    pub interval: Duration,
    /// How long a run may take, all its steps together; at most `interval`.
    pub timeout: Duration,
    /// So many runs in a row must pass until a server that is down counts as up.
    pub rise: u32,
    /// So many runs in a row must fail until a server that is up counts as down.
    pub fall: u32,
    /// What the server counts as before its first result: [`Verdict::Down`] (one passed run brings
    /// it up then, as keepalived and HAProxy do) or [`Verdict::Up`].
    pub initial: Verdict,
    /// In place of the server's own address.
    pub address: Option<IpAddr>,
    /// In place of the server's own port.
    pub port: Option<u16>,
}

/// What is asked of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// A TCP connection.
    Tcp,
    /// A request over HTTP, with or without TLS.
    Http(Http),
    /// A greeting and a HELO.
    Smtp(Smtp),
    /// A DNS query over UDP.
    Dns(Dns),
    /// A datagram.
    Udp(Udp),
    /// An ICMP echo request.
    Ping,
    /// A command on the director.
    Exec(Exec),
}

/// A request over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Http {
    /// For https.
    pub tls: Option<Tls>,
    /// Like `GET`.
    pub method: String,
    /// Path and query, like `/check.txt`.
    pub path: String,
    /// The host header; the address and port by default.
    pub host: Option<String>,
    /// The request's version.
    pub version: HttpVersion,
    /// The statuses that pass; each from 100 to 599.
    pub status: Vec<RangeInclusive<u16>>,
    /// What the body must match somewhere in its first [`BODY`](Self::BODY) bytes.
    pub body: Option<Pattern>,
}

impl Http {
    /// So much of a body is read, in bytes.
    pub const BODY: usize = 256 << 10;
}

/// Version of an HTTP request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.0.
    V10,
    /// HTTP/1.1.
    #[default]
    V11,
}

/// How TLS is spoken to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// Whether the certificate must be valid for `name` (or for the server's address).
    pub verify: bool,
    /// The name that is sent (SNI) and verified.
    pub name: Option<String>,
    /// A PEM file of the authorities to trust, in place of the system's.
    pub ca: Option<PathBuf>,
}

/// A dialogue with a mail server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Smtp {
    /// The name that is given with EHLO, and with HELO where EHLO is refused; by default the
    /// director's host name.
    pub helo: Option<String>,
}

/// A DNS query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dns {
    /// The name that is asked for.
    pub name: String,
    /// The record type, like `A`.
    pub record: String,
    /// The text form of a record that must be in the answer; without it, any answer with NOERROR.
    pub expect: Option<String>,
}

/// A datagram.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Udp {
    /// What is sent; may be empty.
    pub send: Vec<u8>,
    /// What the answer must match. Without it a server passes that answers anything, or stays
    /// silent until the timeout; ICMP unreachable fails in any case.
    pub expect: Option<Pattern>,
}

/// A command on the director. Exit code 0 passes. Its environment is `PATH`, and what tells it of
/// the server: `LB_SERVER_ADDRESS` and `LB_SERVER_PORT` name the target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exec {
    /// The program's absolute path, and its arguments.
    pub command: Vec<String>,
    /// The user that it runs as: not root.
    pub user: String,
}

/// A regular expression that is searched for in bytes.
#[derive(Clone, Debug)]
pub struct Pattern(regex::bytes::Regex);

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is none, or it is too large.
    pub fn new(expression: &str) -> Result<Self, regex::Error> {
        const SIZE: usize = 1 << 20;
        regex::bytes::RegexBuilder::new(expression).size_limit(SIZE).build().map(Self)
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it matches somewhere.
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Check {
    /// Where the check of a server goes to.
    pub fn target(&self, server: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.address.unwrap_or(server.ip()), self.port.unwrap_or(server.port()))
    }
}
