//! Who asks for the events, and who follows them.

use super::*;
use lb_common::api::EventKind;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};

#[tokio::test]
async fn events_are_lines_of_json() {
    let server = Server::start(Limits::default()).await;
    assert_eq!(server.lines("/v1/events").await, [Value::Null; 0]);
    server.note("a\nb");
    server.events.warn(EventKind::Health, Some("web"), Some("a"), "down: é");
    let all = server.lines("/v1/events").await;
    assert_eq!((all.len(), &all[0]["message"]), (2, &Value::from("a\nb")));
    assert_eq!(all[0].get("server"), None);
    assert_eq!((&all[1]["server"], &all[1]["kind"]), (&"a".into(), &"health".into()));
    assert_eq!(server.lines("/v1/events?after=1").await, all[1..]);
    assert_eq!(server.lines("/v1/events?after=2").await, all[2..]);
}

#[tokio::test]
async fn all_that_are_remembered_come() {
    let server = Server::start(Limits::default()).await;
    for number in 0..crate::events::REMEMBERED + 10 {
        server.note(&number.to_string());
    }
    let all = server.lines("/v1/events").await;
    assert_eq!((all.len(), &all[0]["sequence"]), (crate::events::REMEMBERED, &11.into()));
}

#[tokio::test]
async fn a_follower_outlasts_the_limits_and_ends_with_the_server() {
    let short = Duration::from_millis(100);
    let limits = Limits { answer: short, write: short, stop: DEADLINE, ..Limits::default() };
    let server = Server::start(limits).await;
    server.note("before");
    let mut lines = server.follow(0).await;
    assert_eq!(next(&mut lines).await["message"], "before");
    for message in ["first", "second"] {
        sleep(short * 3).await;
        server.note(message);
        assert_eq!(next(&mut lines).await["message"], message);
    }
    // What is recorded before the end still comes.
    server.note("last");
    server.stop.send(()).unwrap();
    assert_eq!(next(&mut lines).await["message"], "last");
    let rest = timeout(DEADLINE, async { while let Ok(Some(_)) = lines.next_line().await {} });
    rest.await.unwrap();
    timeout(DEADLINE, server.serve).await.unwrap().unwrap();
}

#[tokio::test]
async fn followers_are_counted() {
    let limits = Limits { connections: 4, followers: 2, ..Limits::default() };
    let server = Server::start(limits).await;
    let mut first = server.follow(0).await;
    let second = server.follow(0).await;
    let (status, body) = server.get("/v1/events?follow=true").await;
    assert_eq!(status, 429);
    assert!(error(&body).contains("2 clients follow the events already"), "{body}");
    assert_eq!(server.lines("/v1/events").await.len(), 0);

    // Nobody takes the place of a follower.
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(server.connect().await);
    }
    assert_eq!(server.get("/v1/status").await.0, 200);
    server.note("x");
    assert_eq!(next(&mut first).await["message"], "x");

    drop(second);
    let begin = Instant::now();
    while server.get("/v1/events?follow=true&after=9").await.0 == 429 {
        assert!(begin.elapsed() < DEADLINE, "the place of one who left isn't free");
    }
    let mut third = server.follow(0).await;
    assert_eq!(next(&mut third).await["message"], "x");
}

#[tokio::test]
async fn a_follower_that_does_not_read_is_cut_off() {
    let limits = Limits { followers: 1, write: Duration::from_millis(300), ..Limits::default() };
    let server = Server::start(limits).await;
    let mut lazy = server.follow(0).await;
    let large = "x".repeat(10_000);
    let begin = Instant::now();
    // Its place is free again when it is gone.
    while server.get("/v1/events?follow=true&after=99999999").await.0 == 429 {
        assert!(begin.elapsed() < DEADLINE, "still there");
        server.note(&large);
        sleep(Duration::from_millis(1)).await;
    }
    let mut count = 0;
    while let Ok(Some(_)) = timeout(DEADLINE, lazy.next_line()).await.unwrap() {
        count += 1;
    }
    assert!(count < server.events.after(0).len(), "all {count} came");
}

#[tokio::test]
async fn who_lags_gets_what_there_is() {
    let server = Server::start(Limits::default()).await;
    let mut lines = server.follow(0).await;
    server.note("1");
    assert_eq!(next(&mut lines).await["sequence"], 1);
    // The server doesn't run meanwhile.
    for number in 0..crate::events::REMEMBERED + 4 {
        server.note(&number.to_string());
    }
    assert_eq!(next(&mut lines).await["sequence"], 6);
    assert_eq!(next(&mut lines).await["sequence"], 7);
}

impl Server {
    fn note(&self, message: &str) {
        self.events.record(EventKind::Change, None, None, message);
    }

    /// The events of an answer that ends.
    async fn lines(&self, path: &str) -> Vec<Value> {
        let mut stream = self.connect().await;
        let request = format!("GET {path} HTTP/1.0\r\nhost: agent\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (status, body) = answer(stream).await;
        assert_eq!(status, 200, "{body}");
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines of an answer that goes on, its header read. HTTP/1.0: without chunks.
    async fn follow(&self, after: u64) -> Lines<BufReader<UnixStream>> {
        let mut stream = self.connect().await;
        let path = format!("/v1/events?follow=true&after={after}");
        let request = format!("GET {path} HTTP/1.0\r\nhost: agent\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        let mut header = String::new();
        loop {
            match timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap() {
                Some(line) if line.is_empty() => break,
                Some(line) => header += &format!("{line}\n"),
                None => panic!("no header: {header}"),
            }
        }
        assert!(header.contains(" 200 "), "{header}");
        assert!(header.contains("content-type: application/x-ndjson"), "{header}");
        lines
    }
}

async fn next(lines: &mut Lines<BufReader<UnixStream>>) -> Value {
    let line = timeout(DEADLINE, lines.next_line()).await.expect("a line in time").unwrap();
    serde_json::from_str(&line.expect("the answer goes on")).unwrap()
}
