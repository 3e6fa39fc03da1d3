//! Decapsulation.

use std::net::Ipv6Addr;

use anyhow::Result;
use etherparse::{IpNumber, PacketBuilder};
use lb_tests::lab::{Capture, Decapsulator, Direction, SOON, ip, verify_checksums, wait_until};

use super::{Pair, between};

/// A ping from 203.0.113.5, in a tunnel from 192.0.2.1 to the server.
fn tunnelled_ping(pair: &Pair) -> Result<Vec<u8>> {
    let mut inner = Vec::new();
    PacketBuilder::ipv4([203, 0, 113, 5], [198, 51, 100, 9], 64)
        .icmpv4_echo_request(1, 2)
        .write(&mut inner, b"hello")?;
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(pair.client_link.mac()?, pair.server_link.mac()?)
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .write(&mut frame, IpNumber::IPV4, &inner)?;
    frame[..12].copy_from_slice(&[pair.server_link.mac()?, pair.client_link.mac()?].concat());
    Ok(frame)
}

#[test]
fn the_decapsulator_ends_tunnels() -> Result<()> {
    let pair = Pair::new("decap")?;
    let vip = ip("198.51.100.9");
    pair.server.accept_vip(vip)?.route("203.0.113.0/24", ip("192.0.2.1"))?;
    let decapsulator = Decapsulator::start(&pair.server)?;
    let capture = pair.client_link.capture()?;
    let frame = tunnelled_ping(&pair)?;
    verify_checksums(&frame).map_err(anyhow::Error::msg)?;
    pair.client_link.inject(&frame)?;

    let reply = capture.wait_for(SOON, "the reply to the ping in the tunnel", |frame| {
        frame.direction == Direction::In && between(frame) == Some([vip, ip("203.0.113.5")])
    })?;
    assert_eq!(reply.verify(), Ok(()));
    assert_eq!(decapsulator.packets(), 1);
    Ok(())
}

#[test]
fn the_decapsulator_takes_every_pair_of_families() -> Result<()> {
    let pair = Pair::new("families")?;
    let decapsulator = Decapsulator::start(&pair.server)?;
    let inside = Capture::start(&pair.server, "decap")?;
    let macs = [pair.server_link.mac()?, pair.client_link.mac()?].concat();
    let mut inner_v4 = Vec::new();
    PacketBuilder::ipv4([203, 0, 113, 5], [192, 0, 2, 2], 64)
        .udp(1, 2)
        .write(&mut inner_v4, b"four")?;
    let mut inner_v6 = Vec::new();
    PacketBuilder::ipv6([0x20; 16], [0x21; 16], 64).udp(1, 2).write(&mut inner_v6, b"six!")?;
    let mut sent = 0;
    for (number, inner) in [(IpNumber::IPV4, &inner_v4), (IpNumber::IPV6, &inner_v6)] {
        let mut over_v4 = Vec::new();
        PacketBuilder::ethernet2([0; 6], [0; 6]).ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).write(
            &mut over_v4,
            number,
            inner,
        )?;
        let mut over_v6 = Vec::new();
        PacketBuilder::ethernet2([0; 6], [0; 6])
            .ipv6(
                "2001:db8::1".parse::<Ipv6Addr>()?.octets(),
                "2001:db8::2".parse::<Ipv6Addr>()?.octets(),
                64,
            )
            .write(&mut over_v6, number, inner)?;
        for mut frame in [over_v4, over_v6] {
            frame[..12].copy_from_slice(&macs);
            inside.clear();
            pair.client_link.inject(&frame)?;
            sent += 1;
            inside.wait_for(SOON, "the inner packet", |frame| frame.bytes == *inner)?;
            wait_until(SOON, "the count", || decapsulator.packets() == sent)?;
        }
    }
    Ok(())
}
