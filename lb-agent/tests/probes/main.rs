//! Probes against servers that are good, bad and hostile.

#[path = "../common/mod.rs"]
mod common;
mod dns;
mod exec;
mod foreign;
mod hostile;
mod http;
mod ping;
mod smtp;
mod tcp;
mod tls;
mod udp;

use lb_agent::health::{
    check::{Http, HttpVersion, Probe},
    probe::{Finding, Prober},
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};

/// For a run that ends by itself.
const DEADLINE: Duration = Duration::from_secs(20);

/// A run's finding, which comes without the caller's doing.
async fn run(probe: &Probe, target: SocketAddr) -> Finding {
    run_by(&Prober::new(), probe, target).await
}

async fn run_by(prober: &Prober, probe: &Probe, target: SocketAddr) -> Finding {
    timeout(DEADLINE, prober.run(probe, target, DEADLINE)).await.expect("the run ends by itself")
}

/// Runs a probe that ends only when its time is over.
async fn run_out(probe: &Probe, target: SocketAddr) {
    let limit = Duration::from_millis(500);
    let ended = timeout(limit, Prober::new().run(probe, target, limit)).await;
    assert!(ended.is_err(), "nothing can have been found: {ended:?}");
}

/// Thousands may be on the way at a time.
#[test]
fn a_run_is_small() {
    const MOST: usize = 2048;
    let (prober, target) = (Prober::new(), SocketAddr::from(([127, 0, 0, 1], 80)));
    let run = prober.run(&Probe::Tcp, target, DEADLINE);
    assert!(size_of_val(&run) <= MOST, "{} bytes", size_of_val(&run));
}

fn passed(cause: &str) -> Finding {
    Finding { passed: true, cause: cause.to_owned() }
}

fn failed(cause: &str) -> Finding {
    Finding { passed: false, cause: cause.to_owned() }
}

/// A server that does the same with each connection.
async fn serve<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    serve_at("127.0.0.1:0", serve).await
}

async fn serve_at<F>(at: &str, serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(at).await.expect("a listener");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// A server that answers each datagram with some.
async fn answer(mut answers: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let address = socket.local_addr().expect("its address");
    tokio::spawn(async move {
        let mut buffer = [0; 1 << 16];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            for answer in answers(&buffer[..length]) {
                let _ = socket.send_to(&answer, client).await;
            }
        }
    });
    address
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    listener.local_addr().expect("its address")
}

/// Reads the head of a request.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A request for `/` that wants a 2xx.
fn get() -> Http {
    Http {
        tls: None,
        method: "GET".to_owned(),
        path: "/".to_owned(),
        host: None,
        version: HttpVersion::V11,
        status: vec![200..=299],
        body: None,
    }
}
