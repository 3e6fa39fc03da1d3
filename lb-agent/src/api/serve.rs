use super::{Api, Listener};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What one client may take from the others.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; more wait until one ends.
    pub connections: usize,
    /// Until the header of the request has come.
    pub header: Duration,
    /// From the header to the answer; includes reading the body.
    pub answer: Duration,
    /// From accepting the connection to its end; includes writing the answer.
    pub connection: Duration,
    /// For what is under way when the server is to stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            header: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            connection: Duration::from_secs(60),
            stop: Duration::from_secs(2),
        }
    }
}

/// Largest header of a request, in bytes.
const MAX_HEADER: usize = 16 << 10;

/// Answers requests until `stop` is ready, and then those that are under way.
pub async fn serve(listener: Listener, api: Api, stop: impl Future<Output = ()>) {
    let limits = api.limits;
    let router = api.router();
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();

    let accept = async {
        // The semaphore is never closed.
        while let Ok(place) = places.clone().acquire_owned().await {
            while connections.try_join_next().is_some() {}
            match listener.accept().await {
                Ok(stream) => {
                    let connection = answer(stream, router.clone(), limits, stopped.clone());
                    connections.spawn(async move {
                        let _place = place;
                        // A client that takes too long is cut off.
                        let _ = timeout(limits.connection, connection).await;
                    });
                }
                Err(error) => {
                    // Out of descriptors or memory: that passes, but not at once.
                    tracing::warn!("control API: cannot accept a connection: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop => {}
    }
    drop(listener);
    stopping.send_replace(());
    let ended = timeout(limits.stop, async { while connections.join_next().await.is_some() {} });
    if ended.await.is_err() {
        tracing::warn!("control API: {} requests cut off", connections.len());
    }
}

/// One connection, one request.
async fn answer(
    stream: UnixStream,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<()>,
) {
    let connection = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(MAX_HEADER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("control API: {error}");
    }
}
