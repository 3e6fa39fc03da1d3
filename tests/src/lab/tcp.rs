//! What the TCP servers share: a thread that accepts and serves connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::host::Host;

/// A listening socket with its thread. On drop it stops and closes all connections.
pub(super) struct TcpServer {
    connections: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TcpServer {
    /// Serves each connection accepted at `address` with `serve`, which is told the client's
    /// address.
    pub(super) fn start<F>(
        host: &Host,
        name: &str,
        address: SocketAddr,
        serve: impl Fn(TcpStream, SocketAddr) -> F + Send + 'static,
    ) -> Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let connections = Arc::new(AtomicU64::new(0));
        let count = connections.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = host
            .run(|| listen(address))
            .with_context(|| format!("host {}: listening at {address}", host.name()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _guard = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let accept = async move {
            loop {
                let Ok((stream, from)) = listener.accept().await else {
                    // About one connection that is gone already, or no descriptor is free.
                    tokio::task::yield_now().await;
                    continue;
                };
                count.fetch_add(1, Ordering::Relaxed);
                let _ = stream.set_nodelay(true);
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                tokio::spawn(serve(stream, from));
            }
        };
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { connections, stop: Some(stop), thread: Some(thread) })
    }

    /// How many connections it has accepted.
    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An IPv6 wildcard takes IPv4 connections as well.
fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}
