//! The schedulers that compare live connections, against what their names promise.

use crate::small::{client, request, transport, world};
use lb_common::abi::{Select, Server, protocol};
use lb_common::reason::Reason;
use lb_common::wire::transport::tcp;
use lb_tests::dataplane::{Host, World};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const COMPARING: [Select; 4] = [
    Select::LeastConnections,
    Select::WeightedLeastConnections,
    Select::ShortestExpectedDelay,
    Select::NeverQueue,
];

proptest! {
    /// Whoever gets a connection, no other server that might take it would have been better.
    #[test]
    fn the_best_server_is_chosen(
        is_v4: bool,
        select in select(&COMPARING[..]),
        servers in vec((0_u32..6, 1_u32..5, 0_u32..4), 1..9),
        connections in 1..30_u16,
    ) {
        let mut world = world(is_v4, select, servers.len() as u8);
        for ((load, weight, most), server) in servers.iter().zip(&mut world.servers) {
            world.loads.push((*load).into());
            (server.weight, server.max_connections) = (*weight, *most);
        }
        let mut host = Host::new(&world);
        for port in 0..connections {
            let before = loads(&host, servers.len());
            let chosen = begin(&mut host, is_v4, port + 1, servers.len());
            let takes = |server: &usize| servers[*server].2 == 0 || before[*server] < servers[*server].2.into();
            let candidates: Vec<usize> = (0..servers.len()).filter(takes).collect();
            let Some(chosen) = chosen else {
                prop_assert!(candidates.is_empty(), "{before:?} and nobody chosen");
                continue;
            };
            prop_assert!(candidates.contains(&chosen), "{chosen} of {before:?}: full");
            let weight = |server: usize| i64::from(servers[server].1);
            let idle = candidates.iter().any(|server| before[*server] == 0);
            if select == Select::NeverQueue && idle {
                prop_assert_eq!(before[chosen], 0);
                continue;
            }
            for other in candidates {
                let (mine, its) = (before[chosen], before[other]);
                let fewer = match select {
                    Select::LeastConnections => its < mine,
                    Select::WeightedLeastConnections => its * weight(chosen) < mine * weight(other),
                    _ => (its + 1) * weight(chosen) < (mine + 1) * weight(other),
                };
                prop_assert!(!fewer, "{chosen} of {before:?}, and not {other}");
            }
        }
    }

    /// Connections that stay are shared by weight, to one connection each.
    #[test]
    fn shares_follow_the_weights(is_v4: bool, weights in vec(1_u32..10, 1..7), rounds in 1..20_u32) {
        let total: u32 = weights.iter().sum();
        let mut world = world(is_v4, Select::WeightedLeastConnections, weights.len() as u8);
        for (weight, server) in weights.iter().zip(&mut world.servers) {
            server.weight = *weight;
        }
        let mut host = Host::new(&world);
        for port in 0..total * rounds {
            prop_assert!(begin(&mut host, is_v4, port as u16 + 1, weights.len()).is_some());
        }
        for (load, weight) in loads(&host, weights.len()).into_iter().zip(&weights) {
            let share = i64::from(weight * rounds);
            prop_assert!((load - share).abs() <= 1, "{load} of {share}, {weights:?}");
        }
    }
}

/// More servers than are looked at: turns are taken, so none is left out for ever.
#[test]
fn many_servers_all_get_connections() {
    let servers = 300;
    let small = world(true, Select::LeastConnections, 1);
    let ((key, service), server) = (small.services[0], small.servers[0]);
    let mut world = World::empty();
    // Each at an address of its own, or they would be one to NAT.
    let at = |number: u16| Server { port: number, ..server };
    let all: Vec<_> = (1..=servers as u16).map(at).collect();
    world.add_service(key, service, &all);
    let mut host = Host::new(&world);
    for port in 0..servers as u16 {
        begin(&mut host, true, port + 1, servers);
    }
    assert_eq!(loads(&host, servers), vec![1; servers]);
}

/// A client's SYN to the first service; the server that has one connection more then.
fn begin(host: &mut Host, is_v4: bool, port: u16, servers: usize) -> Option<usize> {
    let before = loads(host, servers);
    let payload = transport(protocol::TCP, port, tcp::SYN, Vec::new());
    let (_, reason) = host.run_for_reason(&request(client(is_v4, 1), 0, payload).frame());
    let after = loads(host, servers);
    let chosen: Vec<usize> = (0..servers).filter(|s| after[*s] == before[*s] + 1).collect();
    let expected = if chosen.is_empty() { Reason::ServersFull } else { Reason::ToServer };
    assert_eq!(reason, expected);
    assert!(chosen.len() <= 1, "{before:?} became {after:?}");
    chosen.first().copied()
}

fn loads(host: &Host, servers: usize) -> Vec<i64> {
    (0..servers as u32).map(|server| host.load_of(server)).collect()
}
