//! The server over a real socket, in front of a core that only remembers.

mod events;
mod fake;
mod limits;
mod listener;
mod requests;

use super::*;
use crate::events::EventLog;
use fake::FakeCore;
use lb_common::api;
use serde_json::Value;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server in front of a [`FakeCore`].
struct Server {
    folder: tempfile::TempDir,
    events: EventLog,
    stop: oneshot::Sender<()>,
    serve: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let (handle, mut calls) = channel();
        tokio::spawn(async move {
            let mut core = FakeCore::default();
            while let Some(call) = calls.recv().await {
                call.run(&mut core);
            }
        });
        Self::in_front_of(handle, limits).await
    }

    async fn in_front_of(handle: Handle, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::bind(folder.path().join("run/agent.sock"), None).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let events = EventLog::default();
        let api = Api::new(handle, events.clone(), found).limits(limits);
        let serve = tokio::spawn(serve(listener, api, async {
            let _ = stopped.await;
        }));
        Self { folder, events, stop, serve }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/agent.sock")
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).await.unwrap()
    }

    /// Sends a request and reads the status and the JSON body of its answer.
    async fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let header = format!(
            "{method} {path} HTTP/1.1\r\nhost: agent\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = self.connect().await;
        // A refusal may come before all has been sent.
        let _ = stream.write_all(&[header.as_bytes(), body].concat()).await;
        let (status, body) = answer(stream).await;
        (status, if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() })
    }

    /// The status for a client that tries again while it is turned away.
    async fn patient_get(&self, path: &str) -> u16 {
        let begin = Instant::now();
        let request = format!("GET {path} HTTP/1.1\r\nhost: agent\r\n\r\n");
        loop {
            assert!(begin.elapsed() < DEADLINE, "not served");
            if let Ok(mut stream) = UnixStream::connect(self.socket()).await {
                let _ = stream.write_all(request.as_bytes()).await;
                match answer(stream).await {
                    (0, _) => {}
                    (status, _) => return status,
                }
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    #[track_caller]
    fn get<'a>(&'a self, path: &'a str) -> impl Future<Output = (u16, Value)> + 'a {
        self.ask("GET", path, b"")
    }
}

/// The problems that the check of these tests finds: name and size of the file.
fn found(name: &str, text: &[u8]) -> Vec<api::Problem> {
    vec![api::Problem {
        file: name.to_owned(),
        line: text.len() as u64,
        column: 0,
        field: String::new(),
        message: String::new(),
    }]
}

/// Reads until the server closes; status 0 if it closes without a word.
async fn answer(mut stream: UnixStream) -> (u16, String) {
    let mut all = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut all)).await.expect("an answer in time");
    let text = String::from_utf8(all).unwrap();
    let Some((header, body)) = text.split_once("\r\n\r\n") else {
        return (0, text);
    };
    (header.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn error(value: &Value) -> &str {
    value["error"].as_str().unwrap_or_else(|| panic!("{value} is not an error"))
}
