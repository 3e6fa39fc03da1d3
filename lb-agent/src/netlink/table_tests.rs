use super::super::topology::tests::{ethernet, tag, topology, vlan};
use super::super::topology::{Neighbour, OwnAddress};
use super::*;

const MAC: [u8; 6] = [9; 6];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn through(ifindex: u32, gateway: &str) -> Route {
    Route::Out { ifindex, gateway: Some(ip(gateway)), source: None, mtu: None }
}

fn on_link(ifindex: u32) -> Route {
    Route::Out { ifindex, gateway: None, source: None, mtu: None }
}

fn neighbour(ifindex: u32, address: &str, mac: Option<[u8; 6]>) -> Event {
    let hop = Hop { ifindex, address: ip(address) };
    Event::Neighbour(hop, mac.map(|mac| Neighbour { mac, stale: false }))
}

/// A table with eth0 that wants these addresses, and has no changes or questions left.
fn table(wanted: &[(&str, Route)], now: Instant) -> Table {
    let mut table = Table::default();
    table.replace(topology([ethernet(2, "eth0")]), now);
    table.want(wanted.iter().map(|(address, _)| ip(address)).collect());
    for address in table.take_unasked() {
        let (_, route) = wanted.iter().find(|(wanted, _)| ip(wanted) == address).unwrap();
        table.answer(address, route.clone(), now);
    }
    table.take_change();
    table
}

fn mac_of(table: &Table, address: &str) -> Option<[u8; 6]> {
    match table.resolutions().get(&ip(address))? {
        Resolution::Via(via) => via.next_hop_mac,
        _ => None,
    }
}

fn addresses<const N: usize>(addresses: [&str; N]) -> BTreeSet<IpAddr> {
    addresses.map(ip).into()
}

#[test]
fn a_neighbour_concerns_those_behind_it() {
    let now = Instant::now();
    let mut table = table(
        &[
            ("10.0.0.1", through(2, "192.0.2.2")),
            ("10.0.0.2", through(2, "192.0.2.2")),
            ("10.0.0.3", through(2, "192.0.2.3")),
            ("192.0.2.2", on_link(2)),
        ],
        now,
    );
    table.apply(neighbour(2, "192.0.2.2", Some(MAC)), now);
    let behind = addresses(["10.0.0.1", "10.0.0.2", "192.0.2.2"]);
    assert_eq!(table.take_change(), Change { addresses: behind, links: false });
    assert_eq!(mac_of(&table, "10.0.0.1"), Some(MAC));
    assert_eq!(mac_of(&table, "10.0.0.3"), None);
    assert!(!table.has_unasked(), "neighbours move no routes");

    table.apply(neighbour(3, "192.0.2.3", Some(MAC)), now);
    assert!(!table.has_change(), "the same address on another link");
}

#[test]
fn each_next_hop_is_resolved_once() {
    let now = Instant::now();
    let mut table =
        table(&[("10.0.0.1", through(2, "192.0.2.2")), ("10.0.0.2", through(2, "192.0.2.2"))], now);
    let gateway = Hop { ifindex: 2, address: ip("192.0.2.2") };
    assert_eq!(table.take_due(now), [gateway]);
    table.apply(neighbour(2, "192.0.2.2", Some(MAC)), now);
    assert_eq!(table.next_due(), None);
    table.apply(neighbour(2, "192.0.2.2", None), now);
    assert_eq!(table.take_due(now), [gateway]);
    // While the last one wants it.
    table.want(addresses(["10.0.0.1"]));
    assert!(table.next_due().is_some());
    table.want(BTreeSet::new());
    assert_eq!(table.next_due(), None);
    assert!(table.users.is_empty() && table.routes.is_empty());
}

#[test]
fn a_route_that_moves_leaves_its_old_next_hop() {
    let now = Instant::now();
    let mut table = table(&[("10.0.0.1", through(2, "192.0.2.2"))], now);
    table.answer(ip("10.0.0.1"), through(2, "192.0.2.3"), now);
    table.apply(neighbour(2, "192.0.2.2", Some(MAC)), now);
    assert_eq!(mac_of(&table, "10.0.0.1"), None);
    table.apply(neighbour(2, "192.0.2.3", Some(MAC)), now);
    assert_eq!(mac_of(&table, "10.0.0.1"), Some(MAC));
    assert_eq!(table.users.len(), 1);
}

#[test]
fn only_routes_that_may_have_moved_are_asked_for() {
    let now = Instant::now();
    let all = ["10.0.0.1", "10.0.1.1", "10.0.2.1", "2001:db8::1"];
    let mut table = table(&all.map(|address| (address, on_link(2))), now);
    let own = OwnAddress { ifindex: 2, address: ip("192.0.2.1"), prefix_len: 24 };
    for (event, expected) in [
        (Event::Route("10.0.1.0/24".parse().unwrap()), addresses(["10.0.1.1"])),
        (Event::Route("10.0.1.1/32".parse().unwrap()), addresses(["10.0.1.1"])),
        (Event::Route("10.9.0.0/16".parse().unwrap()), addresses([])),
        (
            Event::Route("0.0.0.0/0".parse().unwrap()),
            addresses(["10.0.0.1", "10.0.1.1", "10.0.2.1"]),
        ),
        (Event::Route("::/0".parse().unwrap()), addresses(["2001:db8::1"])),
        (Event::Rule, addresses(all)),
        (Event::Address(own, Some(0)), addresses(all)),
        (Event::Address(own, Some(0)), addresses([])),
        (Event::Link(ethernet(3, "eth1")), addresses(all)),
    ] {
        table.apply(event.clone(), now);
        assert_eq!(table.take_unasked(), expected, "{event:?}");
    }
}

#[test]
fn links_that_change_are_told_at_once() {
    let now = Instant::now();
    let mut table = table(&[("192.0.2.2", on_link(2))], now);
    table.apply(Event::Link(Interface { up: false, ..ethernet(2, "eth0") }), now);
    let change = Change { addresses: addresses(["192.0.2.2"]), links: true };
    assert_eq!(table.take_change(), change);
    assert_eq!(
        table.resolutions()[&ip("192.0.2.2")],
        Resolution::Unreachable("interface eth0 is down".to_owned())
    );
    assert_eq!(table.next_due(), None, "nobody can be asked over a link that is down");

    table.apply(Event::Link(ethernet(2, "eth0")), now);
    assert_eq!(table.take_change(), change);
    assert!(table.next_due().is_some());

    table.apply(Event::Link(vlan(3, "eth0.7", Some(2), tag(0x8100, 7))), now);
    assert_eq!(table.take_change(), Change { links: true, ..Change::default() });
    assert!(table.links().keys().eq(&[3]));
}

#[test]
fn a_new_picture_replaces_the_old_one() {
    let now = Instant::now();
    let mut table = table(&[("192.0.2.2", on_link(2))], now);
    table.apply(neighbour(2, "192.0.2.2", Some(MAC)), now);
    table.take_change();
    let same = table.topology.clone();
    table.replace(same, now);
    assert!(!table.has_change());
    assert_eq!(table.take_unasked(), addresses(["192.0.2.2"]));

    table.replace(topology([ethernet(2, "eth0")]), now);
    assert_eq!(mac_of(&table, "192.0.2.2"), None);
    assert_eq!(table.take_change().addresses, addresses(["192.0.2.2"]));
    assert!(table.next_due().is_some());
}

#[test]
fn answers_that_come_too_late_are_ignored() {
    let now = Instant::now();
    let mut table = table(&[("192.0.2.2", on_link(2))], now);
    table.want(BTreeSet::new());
    table.answer(ip("192.0.2.2"), on_link(2), now);
    assert!(table.resolutions().is_empty() && table.users.is_empty());
    assert!(table.complete() && !table.has_change());
    table.want(addresses(["192.0.2.3"]));
    assert!(!table.complete());
}

#[test]
fn addresses_are_exchanged_beside_the_others() {
    let mut table = Table::default();
    table.want(addresses(["10.0.0.1", "10.0.0.2"]));
    assert_eq!(table.take_unasked(), addresses(["10.0.0.1", "10.0.0.2"]));
    assert!(!table.exchange(addresses(["10.0.0.1"]), addresses(["10.0.0.2"])), "none is new");
    assert!(table.exchange([], addresses(["10.0.0.2", "10.0.0.3"])));
    assert_eq!(table.take_unasked(), addresses(["10.0.0.3"]));
    assert_eq!(table.wanted, addresses(["10.0.0.2", "10.0.0.3"]));
}
