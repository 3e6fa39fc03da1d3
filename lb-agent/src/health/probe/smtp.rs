//! A dialogue with a mail server (RFC 5321).

use super::{Outcome, tcp, words};
use crate::health::check::Smtp;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

/// Greets, and says goodbye whatever the answer was, so that the server has nothing to log; for the
/// answer to the goodbye it waits until `patience` is over.
pub(super) async fn run(smtp: &Smtp, target: SocketAddr, patience: Duration) -> Outcome {
    let start = Instant::now();
    let stream = tcp::connect(target).await?;
    let name = match &smtp.helo {
        Some(name) => name.clone(),
        None => own_name(&stream)?,
    };
    let mut dialogue = Dialogue { stream, unread: Vec::new(), read: 0 };
    let outcome = dialogue.greet(&name).await;
    if !matches!(outcome, Err(Failure::Broken(_))) {
        let left = patience.saturating_sub(start.elapsed());
        // The verdict stands already.
        let _ = timeout(left, dialogue.ask("QUIT")).await;
    }
    match outcome {
        Ok(reply) => Ok(format!("SMTP {}", reply.code)),
        Err(Failure::Refused(cause) | Failure::Broken(cause)) => Err(cause),
    }
}

/// Why a dialogue fails.
enum Failure {
    /// The server said no, in words.
    Refused(String),
    /// There is no going on.
    Broken(String),
}

/// A connection, and what came over it.
struct Dialogue {
    stream: TcpStream,
    /// Of which no reply has been made yet.
    unread: Vec<u8>,
    /// All that came, in bytes.
    read: usize,
}

impl Dialogue {
    /// The greeting, then EHLO, or HELO for a server that knows no other (section 4.1.4).
    async fn greet(&mut self, name: &str) -> Result<Reply, Failure> {
        self.reply().await?.expect("greeting", 220)?;
        let reply = self.ask(&format!("EHLO {name}")).await?;
        if !(500..600).contains(&reply.code) {
            return reply.expect("EHLO", 250);
        }
        self.ask(&format!("HELO {name}")).await?.expect("HELO", 250)
    }

    async fn ask(&mut self, command: &str) -> Result<Reply, Failure> {
        let line = format!("{command}\r\n");
        self.stream.write_all(line.as_bytes()).await.map_err(|error| broken(words::io(&error)))?;
        self.reply().await
    }

    async fn reply(&mut self) -> Result<Reply, Failure> {
        loop {
            if let Some(reply) = take_reply(&mut self.unread).map_err(broken)? {
                return Ok(reply);
            }
            if self.read >= MAX_DIALOGUE {
                return Err(broken("too long an answer"));
            }
            let read = self.stream.read_buf(&mut self.unread).await;
            match read.map_err(|error| broken(words::io(&error)))? {
                0 => return Err(broken(words::CLOSED)),
                read => self.read += read,
            }
        }
    }
}

/// What a server may send altogether, in bytes.
const MAX_DIALOGUE: usize = 16 << 10;

/// The length of a line, in bytes: four times what section 4.5.3.1.5 allows.
const MAX_LINE: usize = 2048;

fn broken(cause: impl Into<String>) -> Failure {
    Failure::Broken(cause.into())
}

/// A server's reply.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    code: u16,
    /// Its first line as far as it is fit to be shown.
    words: String,
}

impl Reply {
    fn expect(self, stage: &str, code: u16) -> Result<Self, Failure> {
        if self.code == code {
            Ok(self)
        } else {
            Err(Failure::Refused(format!("SMTP {stage}: \"{}\"", self.words)))
        }
    }
}

/// Takes the first reply from what has come, if it is complete: lines with the same code, a hyphen
/// behind it in all but the last (section 4.2.1).
fn take_reply(unread: &mut Vec<u8>) -> Result<Option<Reply>, String> {
    const SHOWN: usize = 80;
    let mut first: Option<Reply> = None;
    let mut start = 0;
    while let Some(length) = unread[start..].iter().position(|&byte| byte == b'\n') {
        let line = &unread[start..start + length];
        start += length + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let foreign = || format!("not an SMTP reply: \"{}\"", words::excerpt(line, SHOWN));
        if line.len() > MAX_LINE {
            return Err(TOO_LONG.to_owned());
        }
        let (code, last) = code(line).ok_or_else(foreign)?;
        let reply = first.get_or_insert_with(|| Reply { code, words: words::excerpt(line, SHOWN) });
        if reply.code != code {
            return Err(foreign());
        }
        if last {
            unread.drain(..start);
            return Ok(first);
        }
    }
    match unread.len() - start > MAX_LINE {
        true => Err(TOO_LONG.to_owned()),
        false => Ok(None),
    }
}

const TOO_LONG: &str = "not an SMTP reply: too long a line";

/// A line's code, and whether the line is its reply's last.
fn code(line: &[u8]) -> Option<(u16, bool)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let last = match rest.first() {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    (200..600).contains(&code).then_some((code, last))
}

/// The host's name where it is one, else the address literal that stands for it (section 4.1.3).
fn own_name(stream: &TcpStream) -> Result<String, String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim_ascii();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if !name.is_empty() && name.bytes().all(plain) {
        return Ok(name.to_owned());
    }
    let own = stream.local_addr().map_err(|error| words::io(&error))?;
    Ok(match own.ip() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Option<Reply>, String> {
        take_reply(&mut text.as_bytes().to_vec())
    }

    fn reply(code: u16, words: &str) -> Result<Option<Reply>, String> {
        Ok(Some(Reply { code, words: words.to_owned() }))
    }

    #[test]
    fn replies_end_at_the_line_without_a_hyphen() {
        assert_eq!(parse("220 ready\r\n"), reply(220, "220 ready"));
        assert_eq!(parse("250\r\n"), reply(250, "250"));
        assert_eq!(parse("250-a\r\n250-b\n250 c\r\n"), reply(250, "250-a"));
        assert_eq!(parse("250-a\r\n250-b\r\n"), Ok(None));
        assert_eq!(parse("220 rea"), Ok(None));
    }

    #[test]
    fn what_follows_a_reply_stays() {
        let mut unread = b"220 a\r\n250 b\r\n2".to_vec();
        assert_eq!(take_reply(&mut unread), reply(220, "220 a"));
        assert_eq!(take_reply(&mut unread), reply(250, "250 b"));
        assert_eq!(take_reply(&mut unread), Ok(None));
        assert_eq!(unread, b"2");
    }

    #[test]
    fn other_protocols_are_told_apart() {
        for foreign in
            ["SSH-2.0-x\r\n", "+OK\r\n", "250-a\r\n220 b\r\n", "22x a\n", "099 a\n", "\n"]
        {
            assert!(parse(foreign).is_err(), "{foreign:?}");
        }
        assert!(parse(&"2".repeat(MAX_LINE + 1)).is_err());
    }

    proptest! {
        /// Whatever comes, in whatever pieces: no panic, and the same replies.
        #[test]
        fn pieces_make_no_difference(
            bytes in proptest::collection::vec(prop_oneof![
                Just(b'\n'), Just(b'\r'), Just(b'-'), Just(b' '), Just(b'2'), Just(b'5'), any::<u8>(),
            ], 0..200),
            cut in 0usize..200,
        ) {
            let all = |pieces: &[&[u8]]| {
                let (mut unread, mut replies) = (Vec::new(), Vec::new());
                for piece in pieces {
                    unread.extend_from_slice(piece);
                    loop {
                        match take_reply(&mut unread) {
                            Ok(Some(reply)) => replies.push(reply),
                            Ok(None) => break,
                            Err(_) => return replies,
                        }
                    }
                }
                replies
            };
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(all(&[&bytes]), all(&[head, tail]));
        }
    }
}
