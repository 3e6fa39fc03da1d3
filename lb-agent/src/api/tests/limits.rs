//! Clients that misbehave, a core that hangs, and the end.

use super::*;

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
async fn ten_thousand_connections_shut_nobody_out() {
    // So long that nothing below ends because its time is up.
    let long = Duration::from_secs(60);
    let server =
        Server::start(Limits { connections: 8, header: long, answer: long, ..Limits::default() })
            .await;
    let (mut silent, mut refused) = (Vec::new(), 0);
    for number in 0..10_000 {
        // As many as descriptors allow are kept open, some with half a request.
        match UnixStream::connect(server.socket()).await {
            Ok(mut stream) => {
                let half: &[u8] = match number % 3 {
                    0 => b"",
                    1 => b"GET /v1/stat",
                    _ => b"POST /v1/services HTTP/1.1\r\ncontent-length: 9\r\n\r\nab",
                };
                let _ = stream.write_all(half).await;
                silent.push(stream);
                silent.drain(..silent.len().saturating_sub(400));
            }
            // The queue is full for the moment.
            Err(_) => refused += 1,
        }
        if number % 1000 == 0 {
            assert_eq!(server.patient_get("/v1/status").await, 200, "after {number}");
        }
    }
    assert!(refused < 10_000, "nobody got in");
    assert_eq!(server.patient_get("/v1/status").await, 200);
}

#[tokio::test]
async fn a_header_of_one_byte_at_a_time_ends() {
    let header = Duration::from_millis(300);
    let server = Server::start(Limits { header, ..Limits::default() }).await;
    let mut slow = server.connect().await;
    let begin = Instant::now();
    for byte in b"GET /v1/status HTTP/1.1\r\nx: ".iter().chain(std::iter::repeat(&b'x')) {
        if slow.write_all(&[*byte]).await.is_err() {
            break;
        }
        assert!(begin.elapsed() < DEADLINE, "still taken");
        sleep(Duration::from_millis(10)).await;
    }
    assert!(begin.elapsed() >= header);
    assert_eq!(server.get("/v1/status").await.0, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_ends() {
    let limits = Limits { connections: 1, answer: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(limits).await;
    let mut slow = server.connect().await;
    slow.write_all(b"POST /v1/services HTTP/1.1\r\ncontent-length: 9\r\n\r\nab").await.unwrap();
    let (status, body) = answer(slow).await;
    assert_eq!((status, body.contains("no answer within 100ms")), (504, true), "{body}");
    assert_eq!(server.get("/v1/status").await.0, 200);
}

#[tokio::test]
async fn who_never_reads_the_answer_is_cut_off() {
    let write = Duration::from_millis(300);
    let server = Server::start(Limits { write, ..Limits::default() }).await;
    // An answer that doesn't fit into any socket's buffer.
    let name = "x".repeat(api::MAX_SERVICE);
    assert_eq!(server.ask("POST", "/v1/services", name.as_bytes()).await.0, 200);
    let mut lazy = Vec::new();
    // Twice as many as there are places for such answers.
    for _ in 0..8 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /v1/services HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        lazy.push(stream);
    }
    assert_eq!(server.get("/v1/status").await.0, 200);
    let (status, body) = server.get("/v1/services").await;
    assert_eq!((status, body.as_array().map(Vec::len)), (200, Some(3)));
    // The others had to wait for these to be cut off.
    for stream in lazy.drain(..4) {
        let (_, body) = answer(stream).await;
        assert!(body.len() < api::MAX_SERVICE, "was served whole");
    }
}

#[tokio::test]
async fn a_core_that_hangs_or_is_gone_is_reported() {
    let limits = Limits { answer: Duration::from_millis(100), ..Limits::default() };
    let (handle, mut calls) = channel();
    let server = Server::in_front_of(handle, limits).await;
    let change = br#"{"weight":1}"#;
    let (status, body) = server.ask("PATCH", "/v1/services/web/servers/a", change).await;
    assert_eq!((status, error(&body).contains("no answer within 100ms")), (504, true), "{body}");

    // Nobody waits for it any more: it isn't done behind the operator's back.
    let mut core = FakeCore::default();
    calls.recv().await.unwrap().run(&mut core);
    assert_eq!(core.service("web").unwrap().servers[0].weight, 7);

    drop(calls);
    let (status, body) = server.get("/v1/status").await;
    assert_eq!((status, error(&body)), (503, "the agent is stopping"));
}

#[tokio::test]
async fn a_reload_has_a_limit_of_its_own() {
    let (short, long) = (Duration::from_millis(100), Duration::from_secs(60));
    for (answer, reload, expected) in [(short, long, 409), (long, short, 504)] {
        let (handle, mut calls) = channel();
        let server =
            Server::in_front_of(handle, Limits { answer, reload, ..Limits::default() }).await;
        let core = tokio::spawn(async move {
            let call = calls.recv().await.unwrap();
            sleep(short * 3).await;
            let refusal = Refusal::Conflict("one is under way".to_owned());
            let mut core = FakeCore::default();
            core.reload = Some(refusal);
            call.run(&mut core);
        });
        let (status, body) = server.ask("POST", "/v1/reload", b"").await;
        assert_eq!(status, expected, "{body}");
        core.await.unwrap();
    }
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
