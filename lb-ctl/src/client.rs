//! The client's side of the control API: one request per connection, all within a time limit.

use crate::failure::Failure;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, StatusCode, header};
use hyper_util::rt::TokioIo;
use lb_common::api;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::{Display, Write};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;

/// Larger answers are not read, in bytes.
const MAX_ANSWER: usize = 1 << 30;

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
    patience: Duration,
}

impl Client {
    /// A client of the agent at `socket`, that waits for its answers for `patience`.
    pub(crate) fn new(socket: PathBuf, patience: Duration) -> Self {
        Self { socket, patience }
    }

    /// Sends a request, and returns the body of its answer.
    pub(crate) fn send(&self, request: &Request) -> Result<Bytes, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::NoAgent(format!("cannot start: {error}")))?;
        let (status, body) = runtime.block_on(async {
            tokio::time::timeout(self.patience, self.exchange(request)).await.unwrap_or_else(|_| {
                Err(Failure::NoAgent(format!(
                    "no answer from the lb-agent at {} within {} s",
                    self.socket.display(),
                    self.patience.as_secs()
                )))
            })
        })?;
        if status.is_success() {
            return Ok(body);
        }
        let api::Error { error } =
            serde_json::from_slice(&body).map_err(|error| self.strange(&error))?;
        Err(match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Failure::NoAgent(error)
            }
            _ => Failure::Refused(error),
        })
    }

    /// The answer is none of an agent's.
    pub(crate) fn strange(&self, error: &dyn Display) -> Failure {
        Failure::NoAgent(format!(
            "what answers at {} doesn't speak like an lb-agent of version {}: {error}",
            self.socket.display(),
            env!("CARGO_PKG_VERSION")
        ))
    }

    async fn exchange(&self, request: &Request) -> Result<(StatusCode, Bytes), Failure> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(&error))?;
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
        let body =
            Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Failure::Refused(format!("the answer is larger than {MAX_ANSWER} bytes"))
                } else {
                    self.cut_off(&*error)
                }
            })?;
        Ok((status, body.to_bytes()))
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
            io::ErrorKind::WouldBlock => {
                format!("the lb-agent at {socket} is too busy to take a request; try again")
            }
            _ => format!("cannot reach an lb-agent at {socket}: {error}"),
        })
    }

    fn cut_off(&self, error: &dyn Display) -> Failure {
        let socket = self.socket.display();
        Failure::NoAgent(format!("the lb-agent at {socket} gave no whole answer: {error}"))
    }
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
