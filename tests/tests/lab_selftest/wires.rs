//! Links: what passes them, and how they are configured.

use std::time::Duration;

use anyhow::Result;
use etherparse::TransportSlice;
use lb_tests::lab::{
    Direction, Frame, HttpServer, Lab, SOON, Tag, UdpEcho, cable, ip, wait_until, wildcard,
};

use super::{Pair, between, seconds, server_addresses};

#[test]
fn captured_frames_are_those_on_the_wire() -> Result<()> {
    let pair = Pair::new("capture")?;
    let _web = HttpServer::start(&pair.server, "web", wildcard(80))?;
    let _udp = UdpEcho::start(&pair.server, "udp", wildcard(53))?;
    let capture = pair.server_link.capture()?;
    let client = pair.client.client();
    for address in server_addresses() {
        client.download((address, 80), 1_000_000)?;
        client.udp_ask((address, 53), b"hello")?;
        client.ping(address)?;
    }
    let is_syn = |frame: &Frame| {
        frame.direction == Direction::In
            && frame.parse().is_ok_and(
                |packet| matches!(packet.transport, Some(TransportSlice::Tcp(tcp)) if tcp.syn()),
            )
    };
    let syn = capture.wait_for(SOON, "a SYN", is_syn)?;
    assert_eq!(syn.bytes[..12], [pair.server_link.mac()?, pair.client_link.mac()?].concat());

    let frames = capture.frames();
    assert!(frames.len() > 2 * 1_000_000 / 1460, "{} frames", frames.len());
    for frame in &frames {
        assert!(frame.checksummed && frame.bytes.len() <= 1514, "{frame:?}");
        assert_eq!(frame.verify(), Ok(()), "{frame:?}");
    }
    let sizes = frames.iter().filter(|frame| frame.direction == Direction::Out);
    assert_eq!(sizes.map(|frame| frame.bytes.len()).max(), Some(1514));

    let error = capture.wait_for(Duration::ZERO, "a unicorn", |_| false).unwrap_err();
    assert!(format!("{error:#}").contains("a unicorn, on eth0 of host server"), "{error:#}");
    Ok(())
}

#[test]
fn offloads_are_off() -> Result<()> {
    let pair = Pair::new("offloads")?;
    for link in [pair.client_link, pair.server_link, pair.lan.host().link("port0")?] {
        let features = link.features()?;
        let sends: Vec<_> = features
            .iter()
            // Fixed in the driver, and about how frames are handed over, not what is in them.
            .filter(|name| name.starts_with("tx-") && *name != "tx-lockless")
            .collect();
        assert!(sends.is_empty(), "{link}: {sends:?}");
        assert!(features.contains(&"rx-gro".to_owned()), "{link}: {features:?}");
    }
    Ok(())
}

#[test]
fn vlans_carry_traffic_in_their_tags() -> Result<()> {
    let lab = Lab::new("vlan")?;
    let lan = lab.switch("lan")?;
    let (client, server) = (lab.host("client")?, lab.host("server")?);
    let trunks = [lan.join(&client, "eth0")?, lan.join(&server, "eth0")?];
    for (number, trunk) in trunks.iter().enumerate() {
        let host = number + 1;
        let single = trunk.vlan(100, Tag::Customer)?;
        single.address(&format!("192.0.2.{host}/24"))?;
        let double = trunk.vlan(200, Tag::Provider)?.vlan(5, Tag::Customer)?;
        double.address(&format!("198.51.100.{host}/24"))?;
        double.address(&format!("2001:db8::{host}/64"))?;
    }
    let _web = HttpServer::start(&server, "web", wildcard(80))?;
    let capture = trunks[1].capture()?;
    for (address, tags) in [
        ("192.0.2.2", [0x81, 0, 0, 100].as_slice()),
        ("198.51.100.2", &[0x88, 0xa8, 0, 200, 0x81, 0, 0, 5]),
        ("2001:db8::2", &[0x88, 0xa8, 0, 200, 0x81, 0, 0, 5]),
    ] {
        client.client().ping(ip(address))?;
        client.client().download((ip(address), 80), 100_000)?;
        let ours = |frame: &Frame| between(frame).is_some_and(|ends| ends.contains(&ip(address)));
        capture.wait_for(SOON, "a frame to the server", |frame| {
            ours(frame) && frame.direction == Direction::In
        })?;
        capture.wait_for(SOON, "a frame to the client", |frame| {
            ours(frame) && frame.direction == Direction::Out
        })?;
        for frame in capture.frames().iter().filter(|frame| ours(frame)) {
            assert!(frame.bytes[12..].starts_with(tags), "{frame:02x?}");
            assert_eq!(frame.verify(), Ok(()));
        }
    }
    Ok(())
}

#[test]
fn routers_route_and_neighbours_are_known() -> Result<()> {
    let lab = Lab::new("router")?;
    let (client, router, server) = (lab.host("client")?, lab.host("router")?, lab.host("server")?);
    let (to_router, from_client) = cable((&client, "eth0"), (&router, "eth0"))?;
    let (to_server, from_router) = cable((&router, "eth1"), (&server, "eth0"))?;
    to_router.address("192.0.2.1/24")?.address("2001:db8::1/64")?;
    from_client.address("192.0.2.254/24")?.address("2001:db8::fe/64")?;
    to_server.address("198.51.100.254/24")?.address("2001:db8:1::fe/64")?;
    from_router.address("198.51.100.1/24")?.address("2001:db8:1::1/64")?;
    client.default_route(ip("192.0.2.254"))?.default_route(ip("2001:db8::fe"))?;
    server.default_route(ip("198.51.100.254"))?.default_route(ip("2001:db8:1::fe"))?;
    let ask = client.client().timeout(seconds(1));
    assert!(ask.ping(ip("198.51.100.1")).is_err(), "no router yet");
    router.forward_packets()?;
    for (address, gateway) in
        [(ip("198.51.100.1"), ip("192.0.2.254")), (ip("2001:db8:1::1"), ip("2001:db8::fe"))]
    {
        ask.ping(address)?;
        let known = (gateway, Some(from_client.mac()?));
        assert!(to_router.neighbours()?.contains(&known), "{:?}", to_router.neighbours()?);
    }
    to_router.flush_neighbours()?;
    assert_eq!(to_router.neighbours()?, []);
    to_router.neighbour(ip("192.0.2.7"), [2, 0, 0, 0, 0, 7])?;
    assert_eq!(to_router.neighbours()?, [(ip("192.0.2.7"), Some([2, 0, 0, 0, 0, 7]))]);
    to_server.mtu(1280)?;
    assert_eq!(to_server.read_mtu()?, 1280);
    Ok(())
}

#[test]
fn what_was_configured_can_be_taken_away() -> Result<()> {
    let pair = Pair::new("away")?;
    let client = pair.client.client().timeout(Duration::from_millis(300));
    for (vip, route) in [("198.51.100.9", "198.51.100.0/24"), ("2001:db8:1::9", "2001:db8:1::/64")]
    {
        let vip = ip(vip);
        let lo = pair.server.link("lo")?;
        pair.server.accept_vip(vip)?;
        pair.client_link.route(route)?;
        pair.client_link.neighbour(vip, pair.server_link.mac()?)?;
        pair.client.client().ping(vip)?;
        lo.remove_address(vip)?;
        assert!(client.ping(vip).is_err(), "{vip} is gone");
        pair.server.accept_vip(vip)?;
        pair.client.client().ping(vip)?;
        pair.client.remove_route(route)?;
        assert!(client.ping(vip).is_err(), "the route to {vip} is gone");
    }
    let [v4, _] = server_addresses();
    pair.server_link.down()?;
    assert!(client.ping(v4).is_err(), "the link is down");
    pair.server_link.up()?;
    wait_until(SOON, "the link carries again", || client.ping(v4).is_ok())
}
