//! Servers that say nothing, too much, or too slowly.

use crate::{DEADLINE, failed, get, head, passed, run, run_out, serve};
use lb_agent::health::check::{Http, Pattern, Probe, Smtp, Tls};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::{sleep, timeout},
};

/// More than what fits into the buffers of two sockets and of a probe, in bytes.
const TOO_MUCH: usize = 24 << 20;

/// Each probe that reads from a stream.
fn streams() -> [Probe; 3] {
    [
        Probe::Http(get()),
        Probe::Http(Http { tls: Some(Tls::default()), ..get() }),
        Probe::Smtp(Smtp { helo: None }),
    ]
}

/// A server that begins an answer, and goes on with the same for ever; how much it got rid of.
async fn endless(begin: &'static str, again: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let target = serve(move |mut stream| {
        let count = count.clone();
        async move {
            if begin.starts_with("HTTP") {
                head(&mut stream).await;
            }
            let _ = stream.write_all(begin.as_bytes()).await;
            let block = again.repeat(1 + (16 << 10) / again.len());
            while stream.write_all(block.as_bytes()).await.is_ok() {
                count.fetch_add(block.len(), Ordering::Relaxed);
            }
        }
    })
    .await;
    (target, sent)
}

#[tokio::test]
async fn silence_ends_with_the_time_and_gives_the_socket_back() {
    for probe in streams() {
        let (closed, mut ends) = mpsc::unbounded_channel();
        let target = serve(move |mut stream: TcpStream| {
            let closed = closed.clone();
            async move {
                let mut all = Vec::new();
                let _ = stream.read_to_end(&mut all).await;
                let _ = closed.send(());
            }
        })
        .await;
        run_out(&probe, target).await;
        timeout(DEADLINE, ends.recv()).await.expect("the connection is closed");
    }
}

#[tokio::test]
async fn resets_fail() {
    for probe in streams() {
        let target = serve(|mut stream| async move {
            let _ = timeout(Duration::from_millis(100), stream.read_u8()).await;
            let _ = stream.set_zero_linger();
        })
        .await;
        let finding = run(&probe, target).await;
        assert!(!finding.passed);
        assert!(finding.cause.ends_with("connection reset"), "{finding:?}");
    }
}

#[tokio::test]
async fn a_byte_at_a_time_ends_with_the_time() {
    async fn drip(text: &'static str) -> SocketAddr {
        serve(move |mut stream| async move {
            for byte in text.bytes().cycle() {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await
    }
    run_out(&Probe::Http(get()), drip("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n").await).await;
    run_out(&Probe::Http(get()), drip("HTTP/1.1 200 OK\r\n\r\nI'm a body").await).await;
    run_out(&Probe::Smtp(Smtp { helo: None }), drip("220-a\r\n").await).await;
}

#[tokio::test]
async fn endless_headers_fail_early() {
    for again in ["X-Field: value\r\n", "x"] {
        let (target, sent) = endless("HTTP/1.1 200 OK\r\n", again).await;
        let finding = run(&Probe::Http(get()), target).await;
        assert_eq!(finding, failed("the answer's header is too large"), "{again}");
        assert!(sent.load(Ordering::Relaxed) < TOO_MUCH);
    }
}

#[tokio::test]
async fn an_endless_body_is_judged_by_its_beginning() {
    let pattern = |text| Some(Pattern::new(text).expect("an expression"));
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let rows = [
        (None, passed("HTTP status 200")),
        (pattern("abc"), passed("HTTP status 200")),
        (pattern("xyz"), failed("the body doesn't match \"xyz\"")),
    ];
    for (body, finding) in rows {
        let (target, sent) = endless(head, "abc").await;
        assert_eq!(run(&Probe::Http(Http { body, ..get() }), target).await, finding);
        assert!(sent.load(Ordering::Relaxed) < TOO_MUCH);
    }
    // What is searched for must stand in the first bytes.
    const LATE: usize = Http::BODY;
    let target = serve(|mut stream| async move {
        crate::head(&mut stream).await;
        let body = format!("HTTP/1.1 200 OK\r\n\r\n{}late", "a".repeat(LATE));
        let _ = stream.write_all(body.as_bytes()).await;
    })
    .await;
    let finding = run(&Probe::Http(Http { body: pattern("late"), ..get() }), target).await;
    assert_eq!(finding, failed("the body doesn't match \"late\""));
}

/// It must not keep the thread to itself, either.
#[tokio::test]
async fn endless_interim_answers_end_with_the_time() {
    let (target, _) = endless("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 P\r\n\r\n").await;
    run_out(&Probe::Http(get()), target).await;
}

#[tokio::test]
async fn endless_smtp_replies_fail_early() {
    let rows =
        [("220-a\r\n", "too long an answer"), ("220 a", "not an SMTP reply: too long a line")];
    for (again, cause) in rows {
        let (target, sent) = endless("", again).await;
        assert_eq!(run(&Probe::Smtp(Smtp { helo: None }), target).await, failed(cause));
        assert!(sent.load(Ordering::Relaxed) < TOO_MUCH);
    }
}

#[tokio::test]
async fn what_is_no_tls_fails() {
    let http = Http { tls: Some(Tls::default()), ..get() };
    let (target, _) = endless("", "HTTP/1.0 400 Bad Request\r\n").await;
    assert_eq!(run(&Probe::Http(http), target).await, failed("TLS: the server doesn't speak TLS"));
}
