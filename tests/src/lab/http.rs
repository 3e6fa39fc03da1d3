//! A tiny HTTP/1.1 server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::host::Host;
use super::payload::pseudo_random;
use super::tcp::TcpServer;

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 16 << 10;
/// The longest body, in either direction, in bytes.
const MAX_BODY: usize = 256 << 20;

/// An HTTP/1.1 server inside a host; it stops on drop.
///
/// - `GET /name`: the server's name
/// - `GET /client`: the client's address and port as seen by the server
/// - `GET /bytes/N`: N pseudo-random bytes, the same for every server
/// - `POST /echo`: the request's body
pub struct HttpServer {
    tcp: TcpServer,
    requests: Arc<AtomicU64>,
}

impl HttpServer {
    /// Starts it at `address`, which may be [`super::wildcard`].
    pub fn start(host: &Host, name: &str, address: SocketAddr) -> Result<Self> {
        let requests = Arc::new(AtomicU64::new(0));
        let count = requests.clone();
        let own_name: Arc<str> = name.into();
        let tcp = TcpServer::start(host, name, address, move |stream, client| {
            serve(stream, client, own_name.clone(), count.clone())
        })?;
        Ok(Self { tcp, requests })
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> u64 {
        self.tcp.connections()
    }

    /// How many requests it has read.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn serve(
    mut stream: TcpStream,
    client: SocketAddr,
    name: Arc<str>,
    requests: Arc<AtomicU64>,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await? {
        requests.fetch_add(1, Ordering::Relaxed);
        let keep_alive = request.keep_alive;
        let (status, body) = answer(request, client, &name);
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let length = body.len();
        let mut reply = format!(
            "HTTP/1.1 {status}\r\nServer: {name}\r\nContent-Length: {length}\r\n\
             Connection: {connection}\r\n\r\n"
        )
        .into_bytes();
        reply.extend(body);
        stream.write_all(&reply).await?;
        if !keep_alive {
            stream.shutdown().await?;
            break;
        }
    }
    Ok(())
}

struct Request {
    method: String,
    path: String,
    keep_alive: bool,
    body: Vec<u8>,
}

/// Reads one request; what comes after it stays in `buffer`. None at the end of the connection.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if buffer.len() > MAX_HEAD || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    buffer.drain(..head_end + 4);
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split_ascii_whitespace().map(str::to_owned);
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let mut keep_alive = first.next().is_some_and(|version| version == "HTTP/1.1");
    let mut length = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap_or(0);
        } else if name.eq_ignore_ascii_case("connection") {
            keep_alive = !value.eq_ignore_ascii_case("close");
        }
    }
    while buffer.len() < length {
        if buffer.len() > MAX_BODY || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let body = buffer.drain(..length).collect();
    Ok(Some(Request { method, path, keep_alive, body }))
}

fn answer(request: Request, client: SocketAddr, name: &str) -> (&'static str, Vec<u8>) {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/name") => ("200 OK", name.into()),
        ("GET", "/client") => ("200 OK", client.to_string().into()),
        ("POST", "/echo") => ("200 OK", request.body),
        ("GET", path) => match path.strip_prefix("/bytes/").map(str::parse) {
            Some(Ok(length)) if length <= MAX_BODY => ("200 OK", pseudo_random(length)),
            Some(_) => ("400 Bad Request", Vec::new()),
            None => ("404 Not Found", Vec::new()),
        },
        _ => ("405 Method Not Allowed", Vec::new()),
    }
}
