//! Datagrams.

use crate::{
    answer,
    common::{FAR_V4, FAR_V6, in_lab, route},
    failed, passed, run, run_out,
};
use lb_agent::health::{
    check::{Pattern, Probe, Udp},
    probe::Prober,
};
use std::{net::SocketAddr, time::Duration};
use tokio::{net::UdpSocket, time::timeout};

fn sends(bytes: &[u8], expect: Option<&str>) -> Probe {
    let expect = expect.map(|text| Pattern::new(text).expect("an expression"));
    Probe::Udp(Udp { send: bytes.to_vec(), expect })
}

#[tokio::test]
async fn the_answer_must_match_if_one_is_expected() {
    let target = answer(|datagram| vec![datagram.to_ascii_uppercase()]).await;
    assert_eq!(run(&sends(b"ping", Some("^PING$")), target).await, passed("answered"));
    assert_eq!(run(&sends(b"ping", None), target).await, passed("answered"));
    assert_eq!(run(&sends(b"", None), target).await, passed("answered"));
    let other = run(&sends(b"ping", Some("pong")), target).await;
    assert_eq!(other, failed("the answer doesn't match \"pong\""));
}

#[tokio::test]
async fn silence_passes_where_no_answer_is_expected() {
    let target = answer(|_| Vec::new()).await;
    let limit = Duration::from_millis(500);
    let finding = timeout(limit, Prober::new().run(&sends(b"x", None), target, limit)).await;
    assert_eq!(finding, Ok(passed("no answer, and no error")));
    run_out(&sends(b"x", Some("x")), target).await;
}

#[tokio::test]
async fn a_closed_port_fails() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let socket = UdpSocket::bind(at).await.expect("a socket");
        let target = socket.local_addr().expect("its address");
        drop(socket);
        for expect in [None, Some("x")] {
            let finding = run(&sends(b"x", expect), target).await;
            assert_eq!(finding, failed("port unreachable"), "{at}");
        }
    }
}

/// A router says that there is no way to the target: an error that the kernel tells only those who
/// ask for it.
#[test]
fn an_unreachable_network_fails() {
    in_lab(async |lab| {
        lab.at_far(crate::ping::forward);
        for (prefix, via, target) in [
            ("198.51.100.0/24", FAR_V4.into(), "198.51.100.1:53"),
            ("2001:db8:1::/64", FAR_V6.into(), "[2001:db8:1::1]:53"),
        ] {
            let route = route(prefix).gateway(via).expect("a gateway");
            lab.near.route().add(route.build()).execute().await.expect("a route");
            let target: SocketAddr = target.parse().expect("an address");
            let finding = run(&sends(b"x", None), target).await;
            assert!(!finding.passed, "{finding:?}");
            assert!(finding.cause.contains("unreachable"), "{finding:?}");
        }
    });
}
