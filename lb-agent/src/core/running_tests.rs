use super::*;

/// Three services; the first two share one of their two hosts, the third has another.
fn file() -> Config {
    let service = |name: &str, port: u16, hosts: [u8; 2]| {
        let mut service = Service::new(name, ([192, 0, 2, 100], port).into());
        service.servers = hosts
            .map(|host| Server::new(format!("on-{host}"), ([10, 0, 0, host], port).into(), 1))
            .into();
        Arc::new(service)
    };
    Config {
        services: vec![service("a", 1, [1, 2]), service("b", 2, [2, 3]), service("c", 3, [4, 5])],
        ..Config::default()
    }
}

fn addresses_of(hosts: &[u8]) -> BTreeSet<IpAddr> {
    hosts.iter().map(|&host| IpAddr::from([10, 0, 0, host])).collect()
}

fn hosts(changed: &Changed) -> (BTreeSet<IpAddr>, BTreeSet<IpAddr>) {
    match &changed.hosts {
        Hosts::All => panic!("only some have changed"),
        Hosts::Exchange { out, with } => (out.clone(), with.clone()),
    }
}

#[test]
fn a_change_goes_no_further_than_what_it_changes() {
    let mut running = Running::new(file(), &Edits::default());
    let edits = Edits::default().remove_server("a", "on-1");
    let changed = running.apply(&edits);
    assert_eq!(changed.extent, Extent::Services(vec![0]));
    assert_eq!(hosts(&changed), (addresses_of(&[1]), addresses_of(&[2])));

    // What was changed before is the same as before.
    let edits = edits.remove_server("b", "on-2");
    let changed = running.apply(&edits);
    assert_eq!(changed.extent, Extent::Services(vec![1]));
    assert_eq!(hosts(&changed), (addresses_of(&[]), addresses_of(&[3])), "a is on 2 still");
    assert_eq!(running.apply(&edits).extent, Extent::Services(vec![]));
}

#[test]
fn other_services_concern_everything() {
    let mut running = Running::new(file(), &Edits::default());
    let changed = running.apply(&Edits::default().remove_service("b"));
    assert_eq!(changed.extent, Extent::Everything);
    assert!(matches!(changed.hosts, Hosts::All));
    assert_eq!(
        (running.place("a"), running.place("b"), running.place("c")),
        (Some(0), None, Some(1))
    );
}
