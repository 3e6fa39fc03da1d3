use super::*;

pub(crate) fn ethernet(index: u32, name: &str) -> Interface {
    Interface {
        index,
        name: name.to_owned(),
        mac: Some([2, 0, 0, 0, 0, index as u8]),
        mtu: 1500,
        up: true,
        carrier: true,
        vlan: None,
    }
}

pub(crate) fn tag(tpid: u16, tci: u16) -> Tag {
    Tag { tpid: tpid.to_be(), tci: tci.to_be() }
}

pub(crate) fn vlan(index: u32, name: &str, lower: Option<u32>, tag: Tag) -> Interface {
    Interface { vlan: Some(Vlan { lower, tag }), ..ethernet(index, name) }
}

pub(crate) fn topology(interfaces: impl IntoIterator<Item = Interface>) -> Topology {
    let mut topology = Topology::default();
    for interface in interfaces {
        topology.apply(Event::Link(interface));
    }
    topology
}

#[test]
fn tags_are_outermost_first_over_the_lowest_interface() {
    let (outer, inner) = (tag(0x88a8, 100), tag(0x8100, 200));
    let topology = topology([
        ethernet(2, "eth0"),
        vlan(3, "eth0.100", Some(2), outer),
        vlan(4, "eth0.100.200", Some(3), inner),
    ]);
    let link = |tags| Link { tags: Tags(tags), ifindex: 2, pad: 0 };
    assert_eq!(topology.link(2), Ok(link([Tag::NONE, Tag::NONE])));
    assert_eq!(topology.link(3), Ok(link([outer, Tag::NONE])));
    assert_eq!(topology.link(4), Ok(link([outer, inner])));
    assert_eq!(topology.vlans(), [(3, link([outer, Tag::NONE])), (4, link([outer, inner]))].into());
}

#[test]
fn vlan_interfaces_that_nothing_can_be_sent_from_say_why() {
    let any = tag(0x8100, 1);
    let topology = topology([
        ethernet(2, "eth0"),
        vlan(3, "one", Some(2), any),
        vlan(4, "two", Some(3), any),
        vlan(5, "three", Some(4), any),
        vlan(6, "moved", None, any),
        vlan(7, "orphan", Some(99), any),
        // Not that the kernel would, but two messages may tell of different times.
        vlan(8, "itself", Some(8), any),
    ]);
    let why = |index| topology.link(index).unwrap_err();
    assert_eq!(why(5), "more than 2 VLAN tags");
    assert_eq!(why(6), "moved stands on an interface of another network namespace");
    assert_eq!(why(7), "interface 99 is gone");
    assert_eq!(why(8), "more than 2 VLAN tags");
    assert!(topology.vlans().keys().eq(&[3, 4]));
}

#[test]
fn only_what_differs_touches_anything() {
    let mut topology = Topology::default();
    let hop = Hop { ifindex: 2, address: [192, 0, 2, 2].into() };
    let own = OwnAddress { ifindex: 2, address: [192, 0, 2, 1].into(), prefix_len: 24 };
    let neighbour = Neighbour { mac: [2; 6], stale: false };
    let link = Event::Link(ethernet(2, "eth0"));
    let address = Event::Address(own, Some(0x80));
    let known = Event::Neighbour(hop, Some(neighbour));
    for (event, first, again) in [
        (link, Touched::Links, Touched::Nothing),
        (address, Touched::Routes, Touched::Nothing),
        (known, Touched::Hop(hop), Touched::Nothing),
        (Event::Rule, Touched::Routes, Touched::Routes),
        (Event::Neighbour(hop, None), Touched::Hop(hop), Touched::Nothing),
        (Event::Address(own, None), Touched::Routes, Touched::Nothing),
        (Event::LinkGone(2), Touched::Links, Touched::Nothing),
    ] {
        assert_eq!(topology.apply(event.clone()), first, "{event:?}");
        assert_eq!(topology.apply(event.clone()), again, "{event:?} again");
    }
}

#[test]
fn an_interface_takes_its_neighbours_and_addresses_with_it() {
    let mut topology = topology([ethernet(2, "eth0"), ethernet(3, "eth1")]);
    for ifindex in [2, 3] {
        let hop = Hop { ifindex, address: [192, 0, 2, 2].into() };
        topology.apply(Event::Neighbour(hop, Some(Neighbour { mac: [2; 6], stale: false })));
        let address = OwnAddress { ifindex, address: [192, 0, 2, 1].into(), prefix_len: 24 };
        topology.apply(Event::Address(address, Some(0)));
    }
    topology.apply(Event::LinkGone(2));
    assert!(topology.neighbours.keys().all(|hop| hop.ifindex == 3));
    assert!(topology.addresses.keys().all(|address| address.ifindex == 3));
    assert_eq!((topology.neighbours.len(), topology.addresses.len()), (1, 1));
}
