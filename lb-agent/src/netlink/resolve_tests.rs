use super::super::topology::tests::{ethernet, tag, topology, vlan};
use super::super::topology::{Event, Interface, Neighbour};
use super::*;
use lb_common::abi::{Tag, Tags};

fn out(ifindex: u32) -> Route {
    Route::Out { ifindex, gateway: None, source: None, mtu: None }
}

fn server() -> IpAddr {
    [198, 51, 100, 7].into()
}

#[test]
fn a_vlan_interface_sends_through_the_one_below() {
    let gateway: IpAddr = [192, 0, 2, 9].into();
    let mut topology =
        topology([ethernet(2, "eth0"), vlan(3, "eth0.100", Some(2), tag(0x8100, 100))]);
    let hop = Hop { ifindex: 3, address: gateway };
    topology.apply(Event::Neighbour(hop, Some(Neighbour { mac: [9; 6], stale: true })));
    let source = Some([192, 0, 2, 1].into());
    let route = Route::Out { ifindex: 3, gateway: Some(gateway), source, mtu: Some(1400) };
    assert_eq!(
        resolve(server(), &route, &topology),
        Resolution::Via(Via {
            interface: "eth0.100".to_owned(),
            ifindex: 2,
            tags: Tags([tag(0x8100, 100), Tag::NONE]),
            gateway: Some(gateway),
            source,
            mtu: 1400,
            source_mac: [2, 0, 0, 0, 0, 3],
            next_hop_mac: Some([9; 6]),
        })
    );
}

#[test]
fn a_next_hop_without_address_is_unresolved_not_unreachable() {
    let topology = topology([ethernet(2, "eth0")]);
    let Resolution::Via(via) = resolve(server(), &out(2), &topology) else { panic!("no way") };
    assert_eq!((via.next_hop_mac, via.mtu), (None, 1500));
}

#[test]
fn what_cannot_send_says_why() {
    let eth0 = || ethernet(2, "eth0");
    let on_eth0 = || vlan(3, "eth0.7", Some(2), tag(0x8100, 7));
    let down = |interface| Interface { up: false, ..interface };
    let cases: [(&str, Vec<Interface>, Route); 7] = [
        ("there is no route to it", vec![], Route::Nowhere("there is no route to it".to_owned())),
        ("interface 2 is gone", vec![], out(2)),
        ("interface eth0 is down", vec![down(eth0())], out(2)),
        ("interface eth0 has no carrier", vec![Interface { carrier: false, ..eth0() }], out(2)),
        ("interface eth0.7 is down", vec![eth0(), down(on_eth0())], out(3)),
        ("interface eth0 is down", vec![down(eth0()), on_eth0()], out(3)),
        (
            "interface tun0 is not an Ethernet interface",
            vec![Interface { mac: None, ..ethernet(2, "tun0") }],
            out(2),
        ),
    ];
    for (why, interfaces, route) in cases {
        assert_eq!(
            resolve(server(), &route, &topology(interfaces)),
            Resolution::Unreachable(why.to_owned())
        );
    }
    assert_eq!(resolve(server(), &Route::Local, &topology([])), Resolution::Local);
}
