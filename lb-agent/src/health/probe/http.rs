//! A request over HTTP/1 (RFC 9110, RFC 9112), with or without TLS.

use super::{Outcome, tcp, tls::Connectors, words};
use crate::health::check::{Http, HttpVersion};
use hyper::{
    Method, Request, Response, StatusCode, Uri, Version,
    body::{Body, Incoming},
    client::conn::http1::Builder,
    header,
};
use hyper_util::rt::TokioIo;
use std::{
    fmt::Write,
    future::{Future, poll_fn},
    net::SocketAddr,
    ops::RangeInclusive,
    pin::{Pin, pin},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// Asks once. A response counts when it is complete, or when [`Http::BODY`] bytes of its body have
/// come.
pub(super) async fn run(http: &Http, connectors: &Connectors, target: SocketAddr) -> Outcome {
    let request = request(http, target)?;
    let stream = tcp::connect(target).await?;
    match &http.tls {
        Some(tls) => exchange(http, request, connectors.connect(tls, target, stream).await?).await,
        None => exchange(http, request, stream).await,
    }
}

/// What a response's head may take, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// Fields that it may have.
const MAX_FIELDS: usize = 256;

fn request(http: &Http, target: SocketAddr) -> Result<Request<String>, String> {
    const AGENT: &str = concat!("lb-agent/", env!("CARGO_PKG_VERSION"));
    let method = Method::from_bytes(http.method.as_bytes())
        .map_err(|_| format!("\"{}\" is not a method", http.method))?;
    let path: Uri =
        http.path.parse().map_err(|_| format!("\"{}\" is not a path of a URL", http.path))?;
    let host = http.host.clone().unwrap_or_else(|| authority(http, target));
    Request::builder()
        .method(method)
        .uri(path)
        .version(match http.version {
            HttpVersion::V10 => Version::HTTP_10,
            HttpVersion::V11 => Version::HTTP_11,
        })
        .header(header::HOST, host)
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(String::new())
        .map_err(|error| format!("not a request: {error}"))
}

/// Address and port as a browser writes them: without the port that the scheme implies.
fn authority(http: &Http, target: SocketAddr) -> String {
    let implied = if http.tls.is_some() { 443 } else { 80 };
    match (target, target.port() == implied) {
        (SocketAddr::V4(target), true) => target.ip().to_string(),
        (SocketAddr::V6(target), true) => format!("[{}]", target.ip()),
        (SocketAddr::V4(target), false) => target.to_string(),
        (SocketAddr::V6(target), false) => format!("[{}]:{}", target.ip(), target.port()),
    }
}

async fn exchange<S>(http: &Http, request: Request<String>, stream: S) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| cause(&error))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| cause(&error))?;
        judge(http, response).await
    };
    alongside(connection, answer).await
}

/// Drives a connection for as long as the work that needs it takes.
async fn alongside<T>(connection: impl Future, work: impl Future<Output = T>) -> T {
    let (mut connection, mut work) = (pin!(connection), pin!(work));
    tokio::select! {
        biased;
        result = &mut work => return result,
        _ = &mut connection => {}
    }
    // The connection is over, and has passed on all it had.
    work.await
}

async fn judge(http: &Http, response: Response<Incoming>) -> Outcome {
    let status = response.status();
    if !http.status.iter().any(|range| range.contains(&status.as_u16())) {
        return Err(unexpected(status, &http.status));
    }
    let body = read(response.into_body(), http.body.is_some()).await?;
    match &http.body {
        Some(pattern) if !pattern.is_match(&body) => {
            Err(format!("the body doesn't match {}", words::pattern(pattern)))
        }
        _ => Ok(format!("HTTP status {}", status.as_u16())),
    }
}

fn unexpected(status: StatusCode, expected: &[RangeInclusive<u16>]) -> String {
    let mut cause = format!("HTTP status {}, expected ", status.as_u16());
    for (position, range) in expected.iter().enumerate() {
        let separator = if position == 0 { "" } else { ", " };
        let (first, last) = (range.start(), range.end());
        // Writing to a string doesn't fail.
        let _ = match first == last {
            true => write!(cause, "{separator}{first}"),
            false => write!(cause, "{separator}{first}-{last}"),
        };
    }
    cause
}

/// Reads a body, at most [`Http::BODY`] bytes of it, and keeps it if asked to.
async fn read(mut body: Incoming, keep: bool) -> Result<Vec<u8>, String> {
    let (mut kept, mut left) = (Vec::new(), Http::BODY);
    while left > 0 {
        let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await else {
            break;
        };
        if let Ok(data) = frame.map_err(|error| cause(&error))?.into_data() {
            let data = &data[..data.len().min(left)];
            left -= data.len();
            if keep {
                kept.extend_from_slice(data);
            }
        }
    }
    Ok(kept)
}

fn cause(error: &hyper::Error) -> String {
    if error.is_parse_too_large() {
        return "the answer's header is too large".to_owned();
    }
    if error.is_parse() {
        return "the answer is not HTTP/1".to_owned();
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return words::CLOSED.to_owned();
    }
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return words::io(error);
        }
        source = error.source();
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::check::Tls;

    fn http(tls: bool) -> Http {
        Http {
            tls: tls.then(Tls::default),
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: None,
            version: HttpVersion::V11,
            status: Vec::new(),
            body: None,
        }
    }

    #[test]
    fn the_host_is_what_a_browser_would_write() {
        let rows = [
            (false, "192.0.2.1:80", "192.0.2.1"),
            (false, "192.0.2.1:443", "192.0.2.1:443"),
            (true, "192.0.2.1:443", "192.0.2.1"),
            (false, "[2001:db8::1]:80", "[2001:db8::1]"),
            (true, "[2001:db8::1]:80", "[2001:db8::1]:80"),
        ];
        for (tls, target, host) in rows {
            assert_eq!(authority(&http(tls), target.parse().expect("an address")), host);
        }
    }

    #[test]
    fn the_expected_statuses_are_named() {
        let cause = unexpected(StatusCode::SERVICE_UNAVAILABLE, &[200..=299, 301..=301]);
        assert_eq!(cause, "HTTP status 503, expected 200-299, 301");
    }

    #[test]
    fn what_no_request_can_carry_is_named() {
        let target = "192.0.2.1:80".parse().expect("an address");
        let refused = |http: Http| request(&http, target).expect_err("refused");
        assert!(refused(Http { method: "G T".into(), ..http(false) }).contains("\"G T\""));
        assert!(refused(Http { path: "/a b".into(), ..http(false) }).contains("\"/a b\""));
        assert!(refused(Http { host: Some("a\r\nb".into()), ..http(false) }).contains("request"));
    }
}
