//! Requests over HTTP, and how answers are judged.

use crate::{failed, get, head, nobody, passed, run, serve};
use lb_agent::health::check::{Http, HttpVersion, Pattern, Probe};
use std::net::SocketAddr;
use tokio::{io::AsyncWriteExt, sync::mpsc};

/// A server that gives one answer to every request; what it was asked.
async fn answering(answer: &'static [u8]) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (asked, requests) = mpsc::unbounded_channel();
    let target = serve(move |mut stream| {
        let asked = asked.clone();
        async move {
            let _ = asked.send(head(&mut stream).await);
            let _ = stream.write_all(answer).await;
        }
    })
    .await;
    (target, requests)
}

async fn finding(http: Http, answer: &'static [u8]) -> lb_agent::health::probe::Finding {
    run(&Probe::Http(http), answering(answer).await.0).await
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nI'm still alive\n";

fn pattern(expression: &str) -> Option<Pattern> {
    Some(Pattern::new(expression).expect("an expression"))
}

#[tokio::test]
async fn the_request_is_the_configured_one() {
    let (target, mut requests) = answering(OK).await;
    assert_eq!(run(&Probe::Http(get()), target).await, passed("HTTP status 200"));
    let request = requests.recv().await.expect("a request");
    assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
    let agent = concat!("User-Agent: lb-agent/", env!("CARGO_PKG_VERSION"), "\r\n");
    for line in [format!("Host: {target}\r\n"), "Connection: close\r\n".into(), agent.into()] {
        assert!(request.contains(&line), "{line} in {request}");
    }

    let http = Http {
        method: "OPTIONS".into(),
        path: "/a/b?c=d%20e".into(),
        host: Some("www.example".into()),
        version: HttpVersion::V10,
        ..get()
    };
    assert!(run(&Probe::Http(http), target).await.passed);
    let request = requests.recv().await.expect("a request");
    assert!(request.starts_with("OPTIONS /a/b?c=d%20e HTTP/1.0\r\n"), "{request}");
    assert!(request.contains("Host: www.example\r\n"), "{request}");
}

#[tokio::test]
async fn the_status_decides() {
    const GONE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(finding(get(), GONE).await, failed("HTTP status 503, expected 200-299"));
    let either = Http { status: vec![200..=200, 503..=503], ..get() };
    assert_eq!(finding(either.clone(), GONE).await, passed("HTTP status 503"));
    const MOVED: &[u8] = b"HTTP/1.0 301 Moved\r\nLocation: /\r\n\r\n";
    assert_eq!(finding(either, MOVED).await, failed("HTTP status 301, expected 200, 503"));
}

#[tokio::test]
async fn the_body_must_match_where_one_asks_for_it() {
    let alive = Http { body: pattern("still alive$|still alive\\s"), ..get() };
    assert_eq!(finding(alive.clone(), OK).await, passed("HTTP status 200"));
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        5\r\nstill\r\n7\r\n alive\n\r\n0\r\n\r\n";
    assert_eq!(finding(alive.clone(), CHUNKED).await, passed("HTTP status 200"));
    const TO_THE_END: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nstill alive\n";
    assert_eq!(finding(alive, TO_THE_END).await, passed("HTTP status 200"));
    let dead = Http { body: pattern("dead"), ..get() };
    assert_eq!(finding(dead, OK).await, failed("the body doesn't match \"dead\""));
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let http = Http { method: "HEAD".into(), ..get() };
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    assert_eq!(finding(http, HEAD).await, passed("HTTP status 200"));
}

#[tokio::test]
async fn half_an_answer_fails() {
    const CLOSED: &str = "connection closed before the answer was complete";
    for answer in [
        &b""[..],
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
    ] {
        let shown = String::from_utf8_lossy(answer);
        assert_eq!(finding(get(), answer).await, failed(CLOSED), "{shown}");
    }
}

#[tokio::test]
async fn other_protocols_fail() {
    for answer in [&b"220 mail.example ESMTP\r\n"[..], b"SSH-2.0-OpenSSH_9.2\r\n", b"\0\0\0\x12"] {
        let finding = finding(get(), answer).await;
        assert_eq!(finding, failed("the answer is not HTTP/1"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_closed_port_fails() {
    let finding = run(&Probe::Http(get()), nobody().await).await;
    assert_eq!(finding, failed("connection refused"));
}
