//! Clients: what a host asks of others.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use super::cleanup::lock;
use super::host::Host;
use super::payload::pseudo_random;

/// How many clients ask at the same time where many ask.
const CROWD: usize = 16;

/// How often each server answered, by its name.
pub type Tally = BTreeMap<String, usize>;

impl Host {
    /// A client on this host.
    pub fn client(&self) -> Client {
        Client { host: self.clone(), source: None, timeout: Duration::from_secs(5) }
    }
}

/// Asks servers, by default from whatever address the host chooses, with a timeout of 5 s for
/// each step (connecting, each read, each write).
#[derive(Clone)]
pub struct Client {
    pub(super) host: Host,
    pub(super) source: Option<SocketAddr>,
    pub(super) timeout: Duration,
}

impl Client {
    /// Asks from this address.
    pub fn from_address(self, source: IpAddr) -> Self {
        self.from_socket((source, 0).into())
    }

    /// Asks from this address and port.
    pub fn from_socket(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Waits this long for each step.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Opens a TCP connection.
    pub fn tcp(&self, server: impl Into<SocketAddr>) -> io::Result<TcpStream> {
        let server = server.into();
        let connect = || {
            let socket = self.socket(server, Type::STREAM)?;
            socket.connect_timeout(&server.into(), self.timeout)?;
            socket.set_tcp_nodelay(true)?;
            Ok(socket.into())
        };
        self.host.run(connect).map_err(|error| about(error, "connecting to", server))
    }

    /// Opens an HTTP connection, for any number of requests.
    pub fn connect(&self, server: impl Into<SocketAddr>) -> io::Result<Connection> {
        let server = server.into();
        let stream = BufReader::new(self.tcp(server)?);
        Ok(Connection { server, stream })
    }

    /// Asks for `path` over a connection of its own.
    pub fn get(&self, server: impl Into<SocketAddr>, path: &str) -> io::Result<Reply> {
        self.connect(server)?.last_request("GET", path, &[])
    }

    /// Posts `body` to `path` over a connection of its own.
    pub fn post(
        &self,
        server: impl Into<SocketAddr>,
        path: &str,
        body: &[u8],
    ) -> io::Result<Reply> {
        self.connect(server)?.last_request("POST", path, body)
    }

    /// Fetches `length` bytes from an [`super::HttpServer`] and compares each.
    pub fn download(&self, server: impl Into<SocketAddr>, length: usize) -> io::Result<()> {
        let reply = self.get(server, &format!("/bytes/{length}"))?;
        let expected = pseudo_random(length);
        if reply.status != 200 || reply.body.len() != length {
            let Reply { status, body } = reply;
            return Err(wrong(format!("status {status}, {} bytes of {length}", body.len())));
        }
        match reply.body.iter().zip(&expected).position(|(got, sent)| got != sent) {
            Some(at) => Err(wrong(format!("byte {at} of {length} differs"))),
            None => Ok(()),
        }
    }

    /// Opens `count` connections, several at a time, and counts how often which server answered.
    ///
    /// # Errors
    /// The first connection that fails.
    pub fn tally(&self, server: impl Into<SocketAddr>, count: usize) -> io::Result<Tally> {
        let server = server.into();
        self.crowd(count, || {
            let reply = self.get(server, "/name")?;
            if reply.status == 200 { Ok(reply.text()) } else { Err(wrong(reply.status)) }
        })
    }

    /// A UDP socket connected to `server`.
    pub fn udp(&self, server: impl Into<SocketAddr>) -> io::Result<UdpSocket> {
        let server = server.into();
        let connect = || {
            let socket = self.socket(server, Type::DGRAM)?;
            socket.connect(&server.into())?;
            Ok(socket.into())
        };
        self.host.run(connect).map_err(|error| about(error, "UDP to", server))
    }

    /// Sends one datagram from a port of its own and waits for the answer.
    pub fn udp_ask(&self, server: impl Into<SocketAddr>, payload: &[u8]) -> io::Result<Vec<u8>> {
        let server = server.into();
        let socket = self.udp(server)?;
        let mut answer = vec![0; 1 << 16];
        let asked = socket.send(payload).and_then(|_| socket.recv(&mut answer));
        answer.truncate(asked.map_err(|error| about(error, "asking UDP", server))?);
        Ok(answer)
    }

    /// Sends `count` datagrams, each from a port of its own, several at a time, and counts how
    /// often which [`super::UdpEcho`] answered.
    ///
    /// # Errors
    /// The first that isn't answered, or not with what was sent.
    pub fn udp_tally(&self, server: impl Into<SocketAddr>, count: usize) -> io::Result<Tally> {
        let server = server.into();
        self.crowd(count, || {
            let answer = String::from_utf8_lossy(&self.udp_ask(server, b"who?")?).into_owned();
            let name = answer.strip_suffix(":who?").ok_or_else(|| wrong(&answer))?;
            Ok(name.to_owned())
        })
    }

    /// Calls `ask` `count` times from several threads inside the host.
    fn crowd(
        &self,
        count: usize,
        ask: impl Fn() -> io::Result<String> + Sync,
    ) -> io::Result<Tally> {
        let left = Mutex::new(count);
        let take = || {
            let mut left = lock(&left);
            let some = *left > 0;
            *left -= usize::from(some);
            some
        };
        let one = || {
            let mut tally = Tally::new();
            while take() {
                match ask() {
                    Ok(name) => *tally.entry(name).or_default() += 1,
                    Err(error) => {
                        *lock(&left) = 0;
                        return Err(error);
                    }
                }
            }
            Ok(tally)
        };
        self.host.run(|| {
            thread::scope(|scope| {
                let threads: Vec<_> = (0..CROWD).map(|_| scope.spawn(one)).collect();
                let mut total = Tally::new();
                for thread in threads {
                    let tally = thread.join().map_err(|_| wrong("a client panicked"))??;
                    for (name, count) in tally {
                        *total.entry(name).or_default() += count;
                    }
                }
                Ok(total)
            })
        })
    }

    /// A socket for asking `server`, in the calling thread's namespace.
    fn socket(&self, server: SocketAddr, kind: Type) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(server), kind, None)?;
        socket.set_read_timeout(Some(self.timeout))?;
        socket.set_write_timeout(Some(self.timeout))?;
        if let Some(source) = self.source {
            // The port is chosen when connecting, so that there is one per server, not per host.
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
            socket.set_reuse_address(source.port() != 0)?;
            socket.bind(&source.into())?;
        }
        Ok(socket)
    }
}

/// An HTTP connection that stays open between requests.
pub struct Connection {
    server: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Asks for `path`; the connection stays open.
    pub fn get(&mut self, path: &str) -> io::Result<Reply> {
        self.request("GET", path, "keep-alive", &[])
    }

    /// Posts `body` to `path`; the connection stays open.
    pub fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Reply> {
        self.request("POST", path, "keep-alive", body)
    }

    /// The client's own address and port.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().local_addr()
    }

    fn last_request(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<Reply> {
        self.request(method, path, "close", body)
    }

    fn request(
        &mut self,
        method: &str,
        path: &str,
        connection: &str,
        body: &[u8],
    ) -> io::Result<Reply> {
        let length = body.len();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: lab\r\nConnection: {connection}\r\n\
             Content-Length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend(body);
        let sent = self.stream.get_mut().write_all(&request);
        let reply = sent.and_then(|()| self.reply());
        reply.map_err(|error| about(error, &format!("{method} {path} of"), self.server))
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| wrong(format!("no status in {status_line:?}")))?;
        let mut length = 0;
        loop {
            let line = self.line()?;
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().map_err(|_| wrong(&line))?;
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Reply { status, body })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the server"));
        }
        Ok(line.trim_end().to_owned())
    }
}

/// An HTTP server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The error with the place where it happened.
pub(super) fn about(error: io::Error, what: &str, server: impl Display) -> io::Error {
    // A socket's timeout shows as the error of a read that would block.
    let (kind, text) = match error.kind() {
        io::ErrorKind::WouldBlock => (io::ErrorKind::TimedOut, "no answer in time".to_owned()),
        kind => (kind, error.to_string()),
    };
    io::Error::new(kind, format!("{what} {server}: {text}"))
}

fn wrong(what: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("wrong answer: {what}"))
}
