//! Few changes among very many services.

use super::*;
use std::time::{Duration, Instant};

/// Generous, for a build without optimisation on a busy machine: copying all servers takes longer.
const SOON: Duration = Duration::from_millis(500);

/// 10,000 services with ten servers each.
fn large() -> Config {
    let services = (0..10_000u32).map(|number| {
        let [_, _, high, low] = number.to_be_bytes();
        let servers = (0..10u8).map(|server| {
            Server::new(format!("s{server}"), ([10, 1 + server, high, low], 80).into(), 1)
        });
        let address = ([10, 0, high, low], 80).into();
        let name = format!("service-{number}");
        Arc::new(Service { servers: servers.collect(), ..Service::new(name, address) })
    });
    Config { services: services.collect(), ..file("interfaces: [eth0]\nservices: []") }
}

#[test]
fn one_change_among_a_hundred_thousand_servers() {
    let file = large();
    let before = changed(&Edits::default(), ("service-1", "s1"), DRAIN);
    let start = Instant::now();
    let edits = changed(&before, ("service-7000", "s3"), weight(9)).prune(&file);
    let applied = edits.apply(&file);
    let took = start.elapsed();
    println!("changed, pruned and applied in {took:?}");
    assert!(took < SOON, "took {took:?}");

    let pairs = || applied.config.services.iter().zip(&file.services);
    assert_eq!(pairs().filter(|(running, file)| !Arc::ptr_eq(running, file)).count(), 2);
    assert_eq!(applied.config.services[7000].servers[3].weight, 9);
    let start = Instant::now();
    let differences = crate::config::diff(&file, &applied.config);
    println!("compared in {:?}", start.elapsed());
    assert_eq!(differences.len(), 2);
}
