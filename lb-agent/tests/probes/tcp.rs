//! Connections.

use crate::{DEADLINE, failed, nobody, passed, run, serve_at};
use lb_agent::health::check::Probe;
use tokio::{io::AsyncReadExt, sync::mpsc, time::timeout};

#[tokio::test]
async fn a_listener_passes_and_sees_an_ordinary_end() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let (seen, mut ends) = mpsc::unbounded_channel();
        let target = serve_at(at, move |mut stream| {
            let seen = seen.clone();
            async move {
                let _ = seen.send(stream.read(&mut [0]).await.map_err(|error| error.kind()));
            }
        })
        .await;
        assert_eq!(run(&Probe::Tcp, target).await, passed("connected"));
        let end = timeout(DEADLINE, ends.recv()).await.expect("in time");
        assert_eq!(end, Some(Ok(0)), "end of stream, not a reset");
    }
}

#[tokio::test]
async fn a_closed_port_fails() {
    assert_eq!(run(&Probe::Tcp, nobody().await).await, failed("connection refused"));
}
