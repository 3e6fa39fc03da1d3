//! Whatever a server sends: a finding, and no panic.

use crate::{answer, get, run, serve};
use lb_agent::health::check::{Dns, Http, Pattern, Probe, Smtp, Tls};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

/// Bytes that begin like an answer.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let heads = prop::sample::select(vec![
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        b"220 a\r\n250-",
        b"\x16\x03\x03\x00\x20\x02\x00\x00\x1c",
    ]);
    (heads, prop::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(head, tail)| [head, &tail].concat())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn streams(bytes in bytes()) {
        block_on(async {
            let target = serve(move |mut stream| {
                let bytes = bytes.clone();
                async move {
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.shutdown().await;
                    // A reset would take the bytes away.
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                }
            })
            .await;
            let body = Pattern::new("a").ok();
            for probe in [
                Probe::Http(Http { body, ..get() }),
                Probe::Http(Http { tls: Some(Tls::default()), ..get() }),
                Probe::Smtp(Smtp { helo: Some("a.example".into()) }),
            ] {
                let finding = run(&probe, target).await;
                assert!(!finding.cause.is_empty());
            }
        });
    }

    #[test]
    fn datagrams(
        tail in prop::collection::vec(any::<u8>(), 0..100),
        repeated in 2usize..40,
        counts in any::<[u8; 8]>(),
    ) {
        block_on(async {
            let target = answer(move |query| {
                // The answer that is found at last comes after the strange one.
                let mut strange = query[..repeated.min(query.len())].to_vec();
                if let Some(flags) = strange.get_mut(2) {
                    *flags |= 0x80;
                }
                if let Some(sections) = strange.get_mut(4..12) {
                    sections.copy_from_slice(&counts);
                }
                strange.extend_from_slice(&tail);
                let mut refusal = query.to_vec();
                refusal[2] |= 0x80;
                refusal[3] |= 5;
                vec![strange, refusal]
            })
            .await;
            let name = "www.example".to_owned();
            let probe = Probe::Dns(Dns { name, record: "A".into(), expect: Some("::".into()) });
            assert!(!run(&probe, target).await.cause.is_empty());
        });
    }
}
