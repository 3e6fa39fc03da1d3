use super::place::{Place, Places};
use super::{Api, Listener};
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use lb_common::api::RELOAD_TIME;
use std::pin::pin;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What one client may take from the others.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time. One more takes the place of a client that keeps us waiting, or
    /// waits itself while there is none.
    pub connections: usize,
    /// Of these, the ones that follow the events; more are refused.
    pub followers: usize,
    /// Until the header of the request has come.
    pub header: Duration,
    /// From the header to the answer; includes reading the body.
    pub answer: Duration,
    /// The same for a reload.
    pub reload: Duration,
    /// From the answer to its last byte; for a follower, that of what it was sent last.
    pub write: Duration,
    /// For what is under way when the server is to stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            followers: 32,
            header: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            reload: RELOAD_TIME,
            write: Duration::from_secs(10),
            stop: Duration::from_secs(2),
        }
    }
}

/// Largest header of a request, in bytes.
const MAX_HEADER: usize = 16 << 10;

/// Answers requests until `stop` is ready, and then those that are under way.
pub async fn serve(listener: Listener, api: Api, stop: impl Future<Output = ()>) {
    let limits = api.limits;
    let (stopping, stopped) = watch::channel(false);
    let router = api.router(stopped.clone());
    let places = Places::new(limits.connections);
    let mut connections = JoinSet::new();

    let accept = async {
        loop {
            while connections.try_join_next().is_some() {}
            match listener.accept().await {
                Ok(stream) => {
                    // The semaphore behind it is never closed.
                    let Ok(place) = places.take().await else { return };
                    let stopped = stopped.clone();
                    connections.spawn(answer(stream, router.clone(), place, limits, stopped));
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
    stopping.send_replace(true);
    let ended = timeout(limits.stop, async { while connections.join_next().await.is_some() {} });
    if ended.await.is_err() {
        tracing::warn!("control API: {} requests cut off", connections.len());
    }
}

/// One connection, one request. A client that takes too long is cut off.
async fn answer(
    stream: UnixStream,
    router: Router,
    place: Place,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let place = place.clone();
        let mut request = request.map(|body| place.asking(body));
        request.extensions_mut().insert(place.clone());
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            place.answered(limits.write);
            answer
        }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(MAX_HEADER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = place.ended() => break Ok(()),
            _ = stopped.changed(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!("control API: {error}");
    }
}
