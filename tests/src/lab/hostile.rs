//! Servers that waste their clients' time and memory.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::host::Host;
use super::tcp::TcpServer;

/// What a [`HostileServer`] does with a connection, whatever it is asked.
#[derive(Clone, Copy, Debug)]
pub enum Hostility {
    /// Takes it, and says nothing.
    Silence,
    /// Says `begin`, then `again` for as long as anybody reads.
    Endless {
        /// Once.
        begin: &'static str,
        /// Over and over.
        again: &'static str,
    },
    /// Says this, a byte a second.
    Drip(&'static str),
    /// Resets it.
    Reset,
}

/// A server inside a host that does nobody any good; it stops on drop.
pub struct HostileServer {
    tcp: TcpServer,
}

impl HostileServer {
    /// Starts it at `address`, which may be [`super::wildcard`].
    pub fn start(host: &Host, address: SocketAddr, hostility: Hostility) -> Result<Self> {
        let serve = move |stream, _| serve(stream, hostility);
        Ok(Self { tcp: TcpServer::start(host, "hostile", address, serve)? })
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> u64 {
        self.tcp.connections()
    }
}

async fn serve(mut stream: TcpStream, hostility: Hostility) -> std::io::Result<()> {
    /// Bytes written at a time.
    const BLOCK: usize = 16 << 10;
    match hostility {
        Hostility::Silence => std::future::pending().await,
        Hostility::Endless { begin, again } => {
            hear(&mut stream, begin).await?;
            stream.write_all(begin.as_bytes()).await?;
            let block = again.repeat(1 + BLOCK / again.len().max(1));
            loop {
                stream.write_all(block.as_bytes()).await?;
            }
        }
        Hostility::Drip(text) => {
            hear(&mut stream, text).await?;
            for byte in text.bytes() {
                stream.write_all(&[byte]).await?;
                sleep(Duration::from_secs(1)).await;
            }
            Ok(())
        }
        Hostility::Reset => SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
    }
}

/// Who answers in HTTP is asked first; what the question is doesn't matter.
async fn hear(stream: &mut TcpStream, answer: &str) -> std::io::Result<()> {
    if answer.starts_with("HTTP/") {
        stream.read_u8().await?;
    }
    Ok(())
}
