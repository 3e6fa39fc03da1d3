//! A TCP connection.

use super::{Outcome, words};
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Connects, and closes in the ordinary way: a reset would be an error in the server's log.
pub(super) async fn run(target: SocketAddr) -> Outcome {
    connect(target).await?;
    Ok("connected".to_owned())
}

/// A connection on which nothing that is written waits for an acknowledgement.
pub(super) async fn connect(target: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(target).await.map_err(|error| words::io(&error))?;
    stream.set_nodelay(true).map_err(|error| words::io(&error))?;
    Ok(stream)
}
