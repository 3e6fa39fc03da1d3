//! The resolver against the kernel: routes, neighbours and links of a network namespace.

mod common;

use common::*;
use futures_util::TryStreamExt;
use lb_agent::netlink::{Resolution, Resolver, Via};
use lb_common::abi::Tags;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{RouteAttribute, RouteMetric, RouteType, RouteVia};
use rtnetlink::packet_route::rule::RuleAction;
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec};
use std::net::IpAddr;

const BEHIND_V4: &str = "198.51.100.0/24";
const BEHIND_V6: &str = "2001:db8:1::/64";

fn behind() -> [IpAddr; 2] {
    ["198.51.100.7".parse().unwrap(), "2001:db8:1::7".parse().unwrap()]
}

#[test]
fn a_server_on_the_link_is_resolved_without_traffic() {
    in_lab(async |lab| {
        let mut resolver = Resolver::start().await.unwrap();
        resolver.want(set([FAR_V4.into(), FAR_V6.into()]));
        for (address, source) in [(FAR_V4.into(), NEAR_V4.into()), (FAR_V6.into(), NEAR_V6.into())]
        {
            let expected = Resolution::Via(Via {
                interface: NEAR.to_owned(),
                ifindex: lab.near_index,
                tags: Tags::NONE,
                gateway: None,
                source: Some(source),
                mtu: 1500,
                source_mac: NEAR_MAC,
                next_hop_mac: Some(FAR_MAC),
            });
            until(&mut resolver, "resolved", |resolver| {
                resolver.resolutions().get(&address) == Some(&expected)
            })
            .await;
        }
        assert!(resolver.complete());
        assert!(resolver.links().is_empty());
    });
}

#[test]
fn a_server_that_another_machine_replaces_silently_is_resolved_again() {
    in_lab(async |lab| {
        for (name, value) in [
            ("base_reachable_time_ms", "100"),
            ("delay_first_probe_time", "0"),
            ("retrans_time_ms", "50"),
        ] {
            std::fs::write(format!("/proc/sys/net/ipv4/neigh/{NEAR}/{name}"), value).unwrap();
        }
        let mut resolver = Resolver::start().await.unwrap();
        let server = FAR_V4.into();
        resolver.want(set([server]));
        until(&mut resolver, "first", |resolver| mac_of(resolver, server) == Some(FAR_MAC)).await;
        let other = [2, 0, 0, 0, 0, 9];
        set_mac(&lab.far, lab.far_index, other).await;
        until(&mut resolver, "replaced", |resolver| mac_of(resolver, server) == Some(other)).await;
    });
}

#[test]
fn a_server_that_comes_late_is_resolved_and_one_that_goes_is_not() {
    in_lab(async |lab| {
        std::fs::write(format!("/proc/sys/net/ipv4/neigh/{NEAR}/retrans_time_ms"), "50").unwrap();
        let late = "192.0.2.9".parse().unwrap();
        let mut resolver = Resolver::start().await.unwrap();
        resolver.want(set([late]));
        until(&mut resolver, "asked", |resolver| via(resolver, late).is_some()).await;
        assert_eq!(mac_of(&resolver, late), None);
        eventually(&mut resolver, "the kernel gives up", async || {
            let entry = find_neighbour(&lab.near, lab.near_index, late).await;
            entry.is_some_and(|entry| entry.header.state == NeighbourState::Failed)
        })
        .await;
        add_address(&lab.far, lab.far_index, late, 24).await;
        until(&mut resolver, "there", |resolver| mac_of(resolver, late) == Some(FAR_MAC)).await;

        forget_neighbour(&lab.near, lab.near_index, late).await;
        until(&mut resolver, "forgotten", |resolver| mac_of(resolver, late).is_none()).await;
        until(&mut resolver, "again", |resolver| mac_of(resolver, late) == Some(FAR_MAC)).await;
    });
}

#[test]
fn routes_that_come_change_and_go_are_followed() {
    in_lab(async |lab| {
        let mut resolver = Resolver::start().await.unwrap();
        resolver.want(set(behind()));
        for (address, prefix, first, second) in [
            (behind()[0], BEHIND_V4, IpAddr::from(FAR_V4), "192.0.2.3".parse().unwrap()),
            (behind()[1], BEHIND_V6, IpAddr::from(FAR_V6), "2001:db8::3".parse().unwrap()),
        ] {
            until(&mut resolver, "no route", |resolver| {
                why_not(resolver, address) == Some("there is no route to it")
            })
            .await;

            let added = route(prefix).gateway(first).unwrap().build();
            lab.near.route().add(added).execute().await.unwrap();
            until(&mut resolver, "first gateway", |resolver| {
                via(resolver, address).is_some_and(|via| {
                    via.gateway == Some(first)
                        && via.mtu == 1500
                        && via.next_hop_mac == Some(FAR_MAC)
                })
            })
            .await;

            let mut changed = route(prefix).gateway(second).unwrap().build();
            changed.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(1400)]));
            lab.near.route().add(changed.clone()).replace().execute().await.unwrap();
            until(&mut resolver, "second gateway", |resolver| {
                via(resolver, address).is_some_and(|via| {
                    via.gateway == Some(second) && via.mtu == 1400 && via.next_hop_mac.is_none()
                })
            })
            .await;

            lab.near.route().del(changed).execute().await.unwrap();
            until(&mut resolver, "no route again", |resolver| why_not(resolver, address).is_some())
                .await;
        }
    });
}

#[test]
fn an_ipv4_server_behind_an_ipv6_gateway_is_resolved() {
    in_lab(async |lab| {
        let mut resolver = Resolver::start().await.unwrap();
        let server = behind()[0];
        resolver.want(set([server]));
        let mut added = route(BEHIND_V4).output_interface(lab.near_index).build();
        added.attributes.push(RouteAttribute::Via(RouteVia::Inet6(FAR_V6)));
        lab.near.route().add(added).execute().await.unwrap();
        until(&mut resolver, "resolved", |resolver| {
            via(resolver, server).is_some_and(|via| {
                via.gateway == Some(FAR_V6.into()) && via.next_hop_mac == Some(FAR_MAC)
            })
        })
        .await;
    });
}

#[test]
fn routes_that_lead_nowhere_say_why() {
    in_lab(async |lab| {
        let mut resolver = Resolver::start().await.unwrap();
        resolver.want(set(behind()));
        for (kind, words) in [
            (RouteType::BlackHole, "blackhole"),
            (RouteType::Unreachable, "unreachable"),
            (RouteType::Prohibit, "prohibits"),
        ] {
            for (address, prefix) in behind().into_iter().zip([BEHIND_V4, BEHIND_V6]) {
                let added = route(prefix).kind(kind).build();
                lab.near.route().add(added.clone()).execute().await.unwrap();
                until(&mut resolver, words, |resolver| {
                    why_not(resolver, address).is_some_and(|why| why.contains(words))
                })
                .await;
                lab.near.route().del(added).execute().await.unwrap();
            }
        }
        let lo = index(&lab.near, "lo").await;
        let added = route(BEHIND_V4).output_interface(lo).build();
        lab.near.route().add(added).execute().await.unwrap();
        until(&mut resolver, "no Ethernet", |resolver| {
            why_not(resolver, behind()[0]) == Some("interface lo is not an Ethernet interface")
        })
        .await;
        let broadcast = "192.0.2.255".parse().unwrap();
        resolver.want(set([broadcast]));
        until(&mut resolver, "broadcast", |resolver| {
            why_not(resolver, broadcast) == Some("it is a broadcast address")
        })
        .await;
    });
}

#[test]
fn own_addresses_are_local_as_long_as_they_are_there() {
    in_lab(async |lab| {
        let mut resolver = Resolver::start().await.unwrap();
        let moving = "192.0.2.50".parse().unwrap();
        resolver.want(set([NEAR_V4.into(), NEAR_V6.into(), moving]));
        until(&mut resolver, "local", |resolver| {
            [IpAddr::from(NEAR_V4), IpAddr::from(NEAR_V6)]
                .iter()
                .all(|own| resolver.resolutions().get(own) == Some(&Resolution::Local))
        })
        .await;
        until(&mut resolver, "on the link", |resolver| via(resolver, moving).is_some()).await;
        add_address(&lab.near, lab.near_index, moving, 24).await;
        until(&mut resolver, "moved here", |resolver| {
            resolver.resolutions().get(&moving) == Some(&Resolution::Local)
        })
        .await;
        let addresses: Vec<_> = lab
            .near
            .address()
            .get()
            .set_address_filter(moving)
            .execute()
            .try_collect()
            .await
            .unwrap();
        for address in addresses {
            lab.near.address().del(address).execute().await.unwrap();
        }
        until(&mut resolver, "gone", |resolver| via(resolver, moving).is_some()).await;
    });
}

#[test]
fn links_that_go_down_and_come_up_are_followed() {
    in_lab(async |lab| {
        let mut resolver = Resolver::start().await.unwrap();
        let server = FAR_V4.into();
        resolver.want(set([server]));
        until(&mut resolver, "up", |resolver| mac_of(resolver, server) == Some(FAR_MAC)).await;
        assert!(resolver.interface(NEAR).is_some_and(|near| near.up && near.carrier));

        down(&lab.far, lab.far_index).await;
        until(&mut resolver, "no carrier", |resolver| {
            why_not(resolver, server) == Some("interface near0 has no carrier")
        })
        .await;
        up(&lab.far, lab.far_index).await;
        until(&mut resolver, "carrier", |resolver| mac_of(resolver, server) == Some(FAR_MAC)).await;

        down(&lab.near, lab.near_index).await;
        until(&mut resolver, "down", |resolver| {
            why_not(resolver, server).is_some()
                && resolver.interface(NEAR).is_some_and(|near| !near.up)
        })
        .await;
        up(&lab.near, lab.near_index).await;
        until(&mut resolver, "up again", |resolver| mac_of(resolver, server) == Some(FAR_MAC))
            .await;

        set_mac(&lab.near, lab.near_index, [2, 0, 0, 0, 0, 8]).await;
        let smaller = LinkMessageBuilder::<LinkUnspec>::new().index(lab.near_index).mtu(1300);
        lab.near.link().set(smaller.build()).execute().await.unwrap();
        until(&mut resolver, "another address and MTU", |resolver| {
            via(resolver, server)
                .is_some_and(|via| via.source_mac == [2, 0, 0, 0, 0, 8] && via.mtu == 1300)
        })
        .await;

        lab.near.link().del(lab.near_index).execute().await.unwrap();
        until(&mut resolver, "gone", |resolver| {
            resolver.interface(NEAR).is_none()
                && why_not(resolver, server) == Some("there is no route to it")
        })
        .await;
    });
}

#[test]
fn rules_that_choose_another_table_are_followed() {
    in_lab(async |lab| {
        let mut resolver = Resolver::start().await.unwrap();
        let server = behind()[0];
        resolver.want(set([server]));
        let in_main = route(BEHIND_V4).gateway(FAR_V4.into()).unwrap().build();
        let other = "192.0.2.3".parse().unwrap();
        let in_other = route(BEHIND_V4).gateway(other).unwrap().table_id(100).build();
        lab.near.route().add(in_main).execute().await.unwrap();
        lab.near.route().add(in_other).execute().await.unwrap();
        let gateway = |resolver: &Resolver| via(resolver, server).and_then(|via| via.gateway);
        until(&mut resolver, "main", |resolver| gateway(resolver) == Some(FAR_V4.into())).await;
        let rule = lab.near.rule().add().v4().table_id(100).action(RuleAction::ToTable);
        rule.execute().await.unwrap();
        until(&mut resolver, "other", |resolver| gateway(resolver) == Some(other)).await;
    });
}

#[test]
fn a_neighbour_that_the_data_plane_misses_is_resolved_by_the_kernel() {
    in_lab(async |lab| {
        let mut resolver = Resolver::start().await.unwrap();
        for address in [FAR_V4.into(), FAR_V6.into()] {
            assert_eq!(neighbour(&lab.near, lab.near_index, address).await, None);
            resolver.solicit(lab.near_index, address);
            eventually(&mut resolver, "resolved", async || {
                neighbour(&lab.near, lab.near_index, address).await == Some(FAR_MAC.to_vec())
            })
            .await;
        }
    });
}

#[test]
fn addresses_no_longer_wanted_are_forgotten() {
    in_lab(async |_lab| {
        let mut resolver = Resolver::start().await.unwrap();
        resolver.want(set([FAR_V4.into(), FAR_V6.into()]));
        until(&mut resolver, "both", Resolver::complete).await;
        resolver.want(set([FAR_V6.into()]));
        assert!(resolver.complete());
        assert!(resolver.resolutions().keys().eq([&IpAddr::from(FAR_V6)]));
    });
}

#[test]
fn a_hundred_thousand_servers_follow_their_gateway() {
    in_lab(async |lab| {
        let mut resolver = Resolver::start().await.unwrap();
        let servers = (0..100_000).map(|n| IpAddr::from((0x0a00_0000_u32 + n).to_be_bytes()));
        resolver.want(servers.collect());
        let added = route("10.0.0.0/8").gateway(FAR_V4.into()).unwrap().build();
        lab.near.route().add(added).execute().await.unwrap();
        until(&mut resolver, "all resolved", |resolver| {
            resolver.complete()
                && resolver
                    .resolutions()
                    .keys()
                    .all(|server| mac_of(resolver, *server) == Some(FAR_MAC))
        })
        .await;
        // One narrower route concerns few of them.
        let moved = "10.0.1.0/24";
        let added = route(moved).gateway("192.0.2.3".parse().unwrap()).unwrap().build();
        let mut moved_count = 0;
        lab.near.route().add(added).execute().await.unwrap();
        while moved_count < 256 {
            moved_count += resolver.changed().await.addresses.len();
        }
        assert_eq!(moved_count, 256);
    });
}

/// The link-layer address that the kernel has for a neighbour.
async fn neighbour(handle: &Handle, index: u32, address: IpAddr) -> Option<Vec<u8>> {
    let entry = find_neighbour(handle, index, address).await?;
    entry.attributes.into_iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(mac) => Some(mac),
        _ => None,
    })
}

async fn forget_neighbour(handle: &Handle, index: u32, address: IpAddr) {
    let entry = find_neighbour(handle, index, address).await.expect("the neighbour's entry");
    handle.neighbours().del(entry).execute().await.unwrap();
}

async fn find_neighbour(handle: &Handle, index: u32, address: IpAddr) -> Option<NeighbourMessage> {
    let wanted = NeighbourAttribute::Destination(NeighbourAddress::from(address));
    let entries: Vec<_> = handle.neighbours().get().execute().try_collect().await.unwrap();
    entries
        .into_iter()
        .find(|entry| entry.header.ifindex == index && entry.attributes.contains(&wanted))
}
