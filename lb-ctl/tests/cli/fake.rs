//! An agent that gives the answers it was told to, whatever it is asked, and remembers what that
//! was.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

/// No test waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Agent {
    pub folder: TempDir,
    asked: Receiver<(String, Vec<u8>)>,
}

/// What a run of `lb-ctl` left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Agent {
    /// Answers with this status and JSON body.
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Self::raw(&answer(status, body))
    }

    /// Answers with these bytes and closes the connection.
    pub(crate) fn raw(answer: &str) -> Self {
        Self::script([answer.to_owned()])
    }

    /// Answers one request after the other with these bytes, and all later ones with the last.
    pub(crate) fn script(answers: impl IntoIterator<Item = String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("agent.sock")).unwrap();
        let (sender, asked) = channel();
        let mut answers = answers.into_iter().collect::<VecDeque<_>>();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = sender.send(request(&mut stream));
                let answer = match answers.len() {
                    1 => answers[0].clone(),
                    _ => answers.pop_front().unwrap(),
                };
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { folder, asked }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        run(self.command().args(arguments))
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = lb_ctl();
        command.arg("--socket").arg(self.socket());
        command
    }

    /// Request line and body of the request that came next.
    #[track_caller]
    pub(crate) fn asked(&self) -> (String, Vec<u8>) {
        self.asked.recv_timeout(DEADLINE).unwrap()
    }
}

/// An answer with this status and JSON body.
pub(crate) fn answer(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Words\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// An answer without a body.
pub(crate) const NOTHING: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

pub(crate) fn lb_ctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb-ctl"));
    command.env_remove("LB_SOCKET").stdin(Stdio::null());
    command
}

pub(crate) fn run(command: &mut Command) -> Run {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Run {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// Reads one request: its first line, without the version, and its body.
pub(crate) fn request(stream: &mut UnixStream) -> (String, Vec<u8>) {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        bytes.push(byte[0]);
    }
    let header = String::from_utf8(bytes).unwrap();
    let length = header
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let line = header.lines().next().unwrap_or_default();
    (line.trim_end_matches(" HTTP/1.1").to_owned(), body)
}
