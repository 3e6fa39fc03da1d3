//! ICMP echo.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use etherparse::checksum::Sum16BitWords;
use socket2::{Domain, Protocol, Socket, Type};

use super::client::{Client, about};

/// Types and codes of the echo request and its reply: ICMP (RFC 792) and ICMPv6 (RFC 4443, 4).
const ICMP: (u8, u8) = (8, 0);
const ICMPV6: (u8, u8) = (128, 129);
const HEADER_BYTES: usize = 8;

impl Client {
    /// Sends one ICMP echo request and waits for its reply; gives the round-trip time.
    pub fn ping(&self, to: IpAddr) -> io::Result<Duration> {
        self.try_ping(to).map_err(|error| about(error, "ping", to))
    }

    fn try_ping(&self, to: IpAddr) -> io::Result<Duration> {
        static SEQUENCE: AtomicU16 = AtomicU16::new(0);
        let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let identifier = (std::process::id() as u16).to_be_bytes();
        let (request, reply) = if to.is_ipv4() { ICMP } else { ICMPV6 };
        let echo = |kind| echo(kind, identifier, sequence);

        let to = SocketAddr::new(to, 0);
        let mut socket = self.host.run(|| self.raw_socket(to))?;
        let start = Instant::now();
        socket.send(&echo(request))?;
        let mut buffer = [0; 2048];
        while start.elapsed() < self.timeout {
            let length = socket.read(&mut buffer)?;
            // An IPv4 raw socket shows the IP header, an IPv6 one doesn't.
            let header = if to.is_ipv4() { usize::from(buffer[0] & 0xf) * 4 } else { 0 };
            let got = buffer[..length].get(header..).unwrap_or_default();
            // The kernel has checked the reply's checksum.
            if without_checksum(got) == without_checksum(&echo(reply)) {
                return Ok(start.elapsed());
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn raw_socket(&self, to: SocketAddr) -> io::Result<Socket> {
        let protocol = if to.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
        let socket = Socket::new(Domain::for_address(to), Type::RAW, Some(protocol))?;
        socket.set_read_timeout(Some(self.timeout))?;
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::new(source.ip(), 0).into())?;
        }
        socket.connect(&to.into())?;
        Ok(socket)
    }
}

fn echo(kind: u8, identifier: [u8; 2], sequence: [u8; 2]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend([identifier, sequence].concat());
    message.extend(b"are you there?");
    // The kernel overwrites it in ICMPv6, where it covers the addresses as well.
    let sum = Sum16BitWords::new().add_slice(&message).ones_complement();
    message[2..4].copy_from_slice(&sum.to_ne_bytes());
    message
}

fn without_checksum(message: &[u8]) -> Option<(&[u8], &[u8])> {
    (message.len() >= HEADER_BYTES).then(|| (&message[..2], &message[4..]))
}
