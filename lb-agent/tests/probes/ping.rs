//! ICMP echo.

use crate::{
    common::{FAR_V4, FAR_V6, in_lab, route},
    failed, passed, run, run_by, run_out,
};
use lb_agent::health::{check::Probe, probe::Prober};
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

fn at(address: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(address.into(), 80)
}

/// Makes a router of the namespace.
pub(crate) fn forward() {
    for switch in ["ipv4/conf/all/forwarding", "ipv6/conf/all/forwarding"] {
        fs::write(format!("/proc/sys/net/{switch}"), "1").expect("forwarding");
    }
}

#[test]
fn hosts_that_answer_pass_many_at_a_time() {
    in_lab(async |_lab| {
        let prober = Arc::new(Prober::new());
        let runs: Vec<_> = (0..100)
            .map(|number| {
                let prober = prober.clone();
                let target = if number % 2 == 0 { at(FAR_V4) } else { at(FAR_V6) };
                tokio::spawn(async move { run_by(&prober, &Probe::Ping, target).await })
            })
            .collect();
        for run in runs {
            assert_eq!(run.await.expect("no panic"), passed("answered"));
        }
    });
}

#[test]
fn silence_runs_out() {
    in_lab(async |lab| {
        lab.at_far(|| {
            for switch in ["ipv4/icmp_echo_ignore_all", "ipv6/icmp/echo_ignore_all"] {
                fs::write(format!("/proc/sys/net/{switch}"), "1").expect("silence");
            }
        });
        run_out(&Probe::Ping, at(FAR_V4)).await;
        run_out(&Probe::Ping, at(FAR_V6)).await;
    });
}

#[test]
fn unreachable_hosts_fail() {
    in_lab(async |lab| {
        lab.at_far(forward);
        for (prefix, via, target) in [
            ("198.51.100.0/24", FAR_V4.into(), "198.51.100.1:0"),
            ("2001:db8:1::/64", FAR_V6.into(), "[2001:db8:1::1]:0"),
        ] {
            let target: SocketAddr = target.parse().expect("an address");
            // Before there is a route.
            assert_eq!(run(&Probe::Ping, target).await, failed("network is unreachable"));
            let route = route(prefix).gateway(via).expect("a gateway");
            lab.near.route().add(route.build()).execute().await.expect("a route");
            assert_eq!(run(&Probe::Ping, target).await, failed("host unreachable"));
        }
    });
}
