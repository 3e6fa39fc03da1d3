//! Clients that misbehave, a core that hangs, and the end.

use super::*;
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn garbage_harms_nobody() {
    let server = Server::start(Limits::default()).await;
    let endless_header = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &vec![b'x'; 1 << 20]].concat();
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let long_path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20));
    let rows: &[(&[u8], &[u16])] = &[
        (b"\0\xff\xfe\r\n\r\n", &[400]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[400]),
        (b"GET\r\n\r\n", &[400]),
        (b"GET /v1/status HTTP/1.1\r\ncontent-length: -1\r\n\r\n", &[400]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 0]),
        (&endless_header, &[431, 0]),
        (many_headers.as_bytes(), &[431, 0]),
        (long_path.as_bytes(), &[414, 431, 0]),
    ];
    for (bytes, expected) in rows {
        let mut stream = server.connect().await;
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let (status, _) = answer(stream).await;
        assert!(expected.contains(&status), "{:?}: {status}", String::from_utf8_lossy(bytes));
    }
    // Bytes of a fixed pseudo-random sequence, and connections that say nothing.
    let mut state = 1u64;
    for length in 0..200 {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 56) as u8
            })
            .collect();
        let _ = server.connect().await.write_all(&bytes).await;
    }
    assert_eq!(server.get("/v1/status").await.0, 200);
}

#[tokio::test]
async fn the_silent_make_room_for_others() {
    let limits = Limits { connections: 2, header: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(limits).await;
    let silent = [server.connect().await, server.connect().await];
    assert_eq!(server.get("/v1/status").await.0, 200);
    drop(silent);
}

#[tokio::test]
async fn who_never_reads_the_answer_is_cut_off() {
    let limits = Limits {
        connections: 1,
        answer: Duration::from_secs(60),
        connection: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let mut slow = server.connect().await;
    slow.write_all(b"PATCH /v1/services/web/servers/a HTTP/1.1\r\ncontent-length: 9\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(server.get("/v1/status").await.0, 200);
    assert_eq!(answer(slow).await.0, 0);
}

#[tokio::test]
async fn a_core_that_hangs_or_is_gone_is_reported() {
    let limits = Limits { answer: Duration::from_millis(100), ..Limits::default() };
    let (handle, mut calls) = channel();
    let server = Server::in_front_of(handle, limits).await;
    let change = br#"{"drain":true}"#;
    let (status, body) = server.ask("PATCH", "/v1/services/web/servers/a", change).await;
    assert_eq!((status, error(&body).contains("no answer within 100ms")), (504, true), "{body}");

    // Nobody waits for it any more: it isn't done behind the operator's back.
    let mut core = FakeCore::default();
    calls.recv().await.unwrap().run(&mut core);
    assert_eq!(core.edits, Edits::default());

    drop(calls);
    let (status, body) = server.get("/v1/status").await;
    assert_eq!((status, error(&body)), (503, "the agent is stopping"));
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_removes_the_socket() {
    // Nothing ends because its time is up.
    let long = Duration::from_secs(60);
    let limits = Limits { header: long, answer: long, stop: long, ..Limits::default() };
    let (handle, mut calls) = channel();
    let server = Server::in_front_of(handle, limits).await;
    let idle = server.connect().await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST /v1/detach HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let call = timeout(DEADLINE, calls.recv()).await.unwrap().unwrap();

    let socket = server.socket();
    server.stop.send(()).unwrap();
    until("the socket is removed", || !socket.exists()).await;
    call.run(&mut FakeCore::default());
    assert_eq!(answer(stream).await.0, 204);
    assert_eq!(answer(idle).await.0, 0);
    timeout(DEADLINE, server.serve).await.unwrap().unwrap();
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        sleep(Duration::from_millis(5)).await;
    }
}
