//! Dialogues with mail servers.

use crate::{DEADLINE, failed, nobody, passed, run, serve};
use lb_agent::health::{
    check::{Probe, Smtp},
    probe::Prober,
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    sync::mpsc,
    time::timeout,
};

/// What a server says to each command; nothing for the one after which it falls silent.
#[derive(Clone, Copy)]
struct Script {
    greeting: &'static str,
    ehlo: &'static str,
    helo: &'static str,
    quit: &'static str,
}

const GOOD: Script = Script {
    greeting: "220 mail.example ESMTP\r\n",
    ehlo: "250-mail.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    helo: "250 mail.example\r\n",
    quit: "221 bye\r\n",
};

/// A server; the commands it hears, and whether its client left in peace.
async fn mail(script: Script) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (heard, commands) = mpsc::unbounded_channel();
    let target = serve(move |mut stream| {
        let heard = heard.clone();
        async move {
            let (reader, mut writer) = stream.split();
            let mut lines = BufReader::new(reader).lines();
            let _ = writer.write_all(script.greeting.as_bytes()).await;
            loop {
                let line = match lines.next_line().await {
                    Ok(Some(line)) => line,
                    Ok(None) => break drop(heard.send("end".to_owned())),
                    Err(error) => break drop(heard.send(error.to_string())),
                };
                let reply = match line.get(..4) {
                    Some("EHLO") => script.ehlo,
                    Some("HELO") => script.helo,
                    _ => script.quit,
                };
                let _ = heard.send(line);
                let _ = writer.write_all(reply.as_bytes()).await;
            }
        }
    })
    .await;
    (target, commands)
}

fn probe() -> Probe {
    Probe::Smtp(Smtp { helo: Some("lb.example".into()) })
}

/// The commands of a dialogue, to its end.
async fn all(mut commands: mpsc::UnboundedReceiver<String>) -> Vec<String> {
    let mut all = Vec::new();
    while all.last().is_none_or(|last| last != "end") {
        let next = timeout(DEADLINE, commands.recv()).await.expect("in time");
        all.push(next.expect("an end"));
    }
    all
}

#[tokio::test]
async fn a_good_server_passes_and_hears_a_goodbye() {
    let (target, commands) = mail(GOOD).await;
    assert_eq!(run(&probe(), target).await, passed("SMTP 250"));
    assert_eq!(all(commands).await, ["EHLO lb.example", "QUIT", "end"]);
}

#[tokio::test]
async fn a_greeting_may_have_lines() {
    let greeting = "220-mail.example\r\n220-no spam\r\n220 ready\r\n";
    let (target, _commands) = mail(Script { greeting, ..GOOD }).await;
    assert_eq!(run(&probe(), target).await, passed("SMTP 250"));
}

#[tokio::test]
async fn an_old_server_is_asked_again_with_helo() {
    let (target, commands) = mail(Script { ehlo: "502 what?\r\n", ..GOOD }).await;
    assert_eq!(run(&probe(), target).await, passed("SMTP 250"));
    assert_eq!(all(commands).await, ["EHLO lb.example", "HELO lb.example", "QUIT", "end"]);
}

#[tokio::test]
async fn a_refusal_fails_in_the_servers_words_and_still_ends_politely() {
    let rows = [
        (Script { greeting: "554 no\r\n", ..GOOD }, "SMTP greeting: \"554 no\"", 0),
        (Script { ehlo: "421 later\r\n", ..GOOD }, "SMTP EHLO: \"421 later\"", 1),
        (
            Script { ehlo: "500 no\r\n", helo: "550 go \x1b[2Jaway\r\n", ..GOOD },
            "SMTP HELO: \"550 go \u{fffd}[2Jaway\"",
            2,
        ),
    ];
    for (script, cause, before) in rows {
        let (target, commands) = mail(script).await;
        assert_eq!(run(&probe(), target).await, failed(cause));
        assert_eq!(all(commands).await[before..], ["QUIT", "end"]);
    }
}

#[tokio::test]
async fn long_words_are_cut() {
    let greeting = concat!(
        "554 ",
        "0123456789012345678901234567890123456789\
        0123456789012345678901234567890123456789\r\n"
    );
    let (target, _commands) = mail(Script { greeting, ..GOOD }).await;
    let cause = run(&probe(), target).await.cause;
    assert_eq!(cause.chars().count(), "SMTP greeting: \"…\"".chars().count() + 80);
}

#[tokio::test]
async fn no_answer_to_the_goodbye_is_no_failure() {
    let (target, _commands) = mail(Script { quit: "", ..GOOD }).await;
    let limit = Duration::from_millis(500);
    let finding = timeout(limit, Prober::new().run(&probe(), target, limit)).await;
    assert_eq!(finding, Ok(passed("SMTP 250")));
}

#[tokio::test]
async fn the_default_name_is_one() {
    let (target, commands) = mail(GOOD).await;
    assert_eq!(run(&Probe::Smtp(Smtp { helo: None }), target).await, passed("SMTP 250"));
    let ehlo = all(commands).await.swap_remove(0);
    let name = ehlo.strip_prefix("EHLO ").expect("a name");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
    assert!(name == host.trim() || name == "[127.0.0.1]", "{name}");
}

#[tokio::test]
async fn what_is_no_mail_server_fails() {
    let (target, _commands) = mail(Script { greeting: "SSH-2.0-x\r\n", ..GOOD }).await;
    assert_eq!(run(&probe(), target).await, failed("not an SMTP reply: \"SSH-2.0-x\""));
    assert_eq!(run(&probe(), nobody().await).await, failed("connection refused"));
    let target = serve(|stream| async { drop(stream) }).await;
    let closed = failed("connection closed before the answer was complete");
    assert_eq!(run(&probe(), target).await, closed);
}
