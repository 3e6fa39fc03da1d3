//! The client's side of the control API: one request per connection, within a time limit.

use crate::failure::Failure;
use http_body_util::{BodyExt, Collected, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use lb_common::api;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::{Display, Write};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::time::sleep;

/// Larger answers are not read, in bytes.
const MAX_ANSWER: usize = 1 << 30;

/// Longer lines of an answer are not read, in bytes.
const MAX_LINE: usize = 1 << 20;

/// How long to wait for an answer, unless told otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Between one look and the next at an agent that is too busy.
const PAUSE: Duration = Duration::from_millis(50);

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request to the agent.
pub(crate) struct Request {
    method: Method,
    /// Path and query.
    target: String,
    body: Bytes,
}

impl Request {
    /// A request for the path of these segments under `/v1`, not encoded yet.
    pub(crate) fn new(method: Method, segments: &[&str]) -> Self {
        let mut target = "/v1".to_owned();
        for segment in segments {
            target.push('/');
            target.extend(utf8_percent_encode(segment, RESERVED));
        }
        Self { method, target, body: Bytes::new() }
    }

    pub(crate) fn get(segments: &[&str]) -> Self {
        Self::new(Method::GET, segments)
    }

    /// With a parameter added to the query, if there is a value.
    pub(crate) fn query(mut self, name: &str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            let separator = if self.target.contains('?') { '&' } else { '?' };
            let value = value.to_string();
            // Writing to a string doesn't fail.
            let _ =
                write!(self.target, "{separator}{name}={}", utf8_percent_encode(&value, RESERVED));
        }
        self
    }

    pub(crate) fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }
}

/// Knows where the agent is.
pub(crate) struct Client {
    socket: PathBuf,
    patience: Option<Duration>,
}

impl Client {
    /// A client of the agent at `socket`, that waits for its answers for `patience`, by default for
    /// [`PATIENCE`].
    pub(crate) fn new(socket: PathBuf, patience: Option<Duration>) -> Self {
        Self { socket, patience }
    }

    /// Waits longer, unless the operator said how long.
    pub(crate) fn patient(&self, patience: Duration) -> Self {
        Self { socket: self.socket.clone(), patience: self.patience.or(Some(patience)) }
    }

    /// Sends a request, and returns the body of its answer.
    pub(crate) fn send(&self, request: &Request) -> Result<Bytes, Failure> {
        runtime()?.block_on(self.in_time(async {
            let answer = self.exchange(request).await?;
            self.whole(answer).await
        }))
    }

    /// Sends a request, and hands over the lines of its answer as they come, until `take` says
    /// that it has enough. The time limit is for the answer's beginning only.
    pub(crate) fn lines(
        &self,
        request: &Request,
        mut take: impl FnMut(&[u8]) -> Result<Next, Failure>,
    ) -> Result<(), Failure> {
        runtime()?.block_on(async {
            let mut body = self.in_time(self.exchange(request)).await?.into_body();
            let mut rest = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| self.cut_off(&error))?;
                rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    if take(&line[..end])? == Next::Enough {
                        return Ok(());
                    }
                }
                if rest.len() > MAX_LINE {
                    return Err(self.strange(&format!("a line of more than {MAX_LINE} bytes")));
                }
            }
            Ok(())
        })
    }

    /// The lb-agent ended an answer that should go on.
    pub(crate) fn ended(&self) -> Failure {
        Failure::NoAgent(format!("the lb-agent at {} has stopped", self.socket.display()))
    }

    /// The answer is none of an agent's.
    pub(crate) fn strange(&self, error: &dyn Display) -> Failure {
        Failure::NoAgent(format!(
            "what answers at {} doesn't speak like an lb-agent of version {}: {error}",
            self.socket.display(),
            env!("CARGO_PKG_VERSION")
        ))
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let patience = self.patience.unwrap_or(PATIENCE);
        tokio::time::timeout(patience, work).await.unwrap_or_else(|_| {
            Err(Failure::NoAgent(format!(
                "no answer from the lb-agent at {} within {} s",
                self.socket.display(),
                patience.as_secs()
            )))
        })
    }

    /// Sends a request, and returns an answer that is no refusal.
    async fn exchange(&self, request: &Request) -> Result<Response<Incoming>, Failure> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.strange(&error))?;
        // Its errors reach the sender, too.
        tokio::spawn(connection);
        let request = hyper::Request::builder()
            .method(&request.method)
            .uri(&request.target)
            .header(header::HOST, "lb-agent")
            .body(Full::new(request.body.clone()))
            .map_err(|error| Failure::Refused(format!("not a request: {error}")))?;
        let answer = sender.send_request(request).await.map_err(|error| self.cut_off(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = self.whole(answer).await?;
        let api::Error { error } =
            serde_json::from_slice(&body).map_err(|error| self.strange(&error))?;
        Err(match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Failure::NoAgent(error)
            }
            _ => Failure::Refused(error),
        })
    }

    async fn whole(&self, answer: Response<Incoming>) -> Result<Bytes, Failure> {
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        body.map(Collected::to_bytes).map_err(|error| {
            if error.is::<LengthLimitError>() {
                Failure::Refused(format!("the answer is larger than {MAX_ANSWER} bytes"))
            } else {
                self.cut_off(&*error)
            }
        })
    }

    /// Connects; an agent whose queue is full is asked again and again.
    async fn connect(&self) -> Result<UnixStream, Failure> {
        loop {
            match UnixStream::connect(&self.socket).await {
                Ok(stream) => return Ok(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(PAUSE).await,
                Err(error) => return Err(self.unreachable(&error)),
            }
        }
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        let socket = self.socket.display();
        Failure::NoAgent(match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => format!(
                "no lb-agent answers at {socket}: is it running? \
                 If it listens elsewhere, name its socket with --socket or LB_SOCKET"
            ),
            io::ErrorKind::PermissionDenied => format!(
                "permission denied at {socket}: run lb-ctl as root, or as a member of the \
                 socket's group"
            ),
            _ => format!("cannot reach an lb-agent at {socket}: {error}"),
        })
    }

    fn cut_off(&self, error: &dyn Display) -> Failure {
        let socket = self.socket.display();
        Failure::NoAgent(format!("the lb-agent at {socket} gave no whole answer: {error}"))
    }
}

/// Whether more lines are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    More,
    Enough,
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::NoAgent(format!("cannot start: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_encoded() {
        let request = Request::get(&["services", "a/b c?", "é.-_~", ".."]);
        assert_eq!(request.target, "/v1/services/a%2Fb%20c%3F/%C3%A9.-_~/..");
        let request = Request::get(&["connections"])
            .query("service", Some("a&b=c+d"))
            .query("server", None::<&str>)
            .query("limit", Some(3));
        assert_eq!(request.target, "/v1/connections?service=a%26b%3Dc%2Bd&limit=3");
    }
}
