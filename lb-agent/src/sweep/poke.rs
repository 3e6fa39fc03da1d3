//! A client whose server has died may only be listening, and would wait for ever. A segment that
//! is outside of its window makes it answer at once (RFC 9293, section 3.10.7.4), and that answer
//! meets the data plane, which resets the connection with the numbers that the answer shows.

use lb_common::abi::{Flow, FlowKey, direction, protocol, state};
use pnet::packet::{
    ip::IpNextHeaderProtocols::Tcp,
    ipv4::{self, MutableIpv4Packet},
    ipv6::MutableIpv6Packet,
    tcp::{self, MutableTcpPacket, TcpFlags},
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};
use tracing::debug;

const IPV4: usize = MutableIpv4Packet::minimum_packet_size();
const IPV6: usize = MutableIpv6Packet::minimum_packet_size();
const TCP: usize = MutableTcpPacket::minimum_packet_size();

/// Words of 32 bits in a header without options.
const WORDS: u8 = 5;

const TTL: u8 = 64;

/// Whether a flow is one whose client is waked by a poke.
pub(super) fn wakes(key: &FlowKey, flow: &Flow) -> bool {
    key.protocol == protocol::TCP
        && flow.direction == direction::REQUEST
        && flow.state == state::ESTABLISHED
}

/// Sends pokes.
pub(super) struct Poker {
    v4: Socket,
    v6: Option<Socket>,
}

impl Poker {
    /// Opens the raw sockets; without IPv6 in the kernel there is none for that.
    pub(super) fn new() -> io::Result<Self> {
        // IPPROTO_RAW: what is sent begins with its IP header, whatever its source.
        let open = |domain| {
            let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(socket)
        };
        Ok(Self { v4: open(Domain::IPV4)?, v6: open(Domain::IPV6).ok() })
    }

    /// Pokes the client of a flow.
    pub(super) fn poke(&self, key: &FlowKey) {
        let client = SocketAddr::new(key.source.into(), u16::from_be(key.source_port));
        let service = SocketAddr::new(key.destination.into(), u16::from_be(key.destination_port));
        let (socket, packet) = match (service.ip(), client.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                (Some(&self.v4), v4(from, to, service.port(), client.port()))
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                (self.v6.as_ref(), v6(from, to, service.port(), client.port()))
            }
            _ => return,
        };
        let (Some(socket), Some(packet)) = (socket, packet) else { return };
        // Raw sockets take no port.
        let to = SocketAddr::new(client.ip(), 0);
        if let Err(error) = socket.send_to(&packet, &to.into()) {
            debug!(%client, %error, "poking a client");
        }
    }
}

fn v4(from: Ipv4Addr, to: Ipv4Addr, source: u16, destination: u16) -> Option<Vec<u8>> {
    let mut bytes = vec![0; IPV4 + TCP];
    segment(bytes.get_mut(IPV4..)?, source, destination, |segment| {
        tcp::ipv4_checksum(&segment.to_immutable(), &from, &to)
    })?;
    let mut header = MutableIpv4Packet::new(&mut bytes)?;
    header.set_version(4);
    header.set_header_length(WORDS);
    header.set_total_length((IPV4 + TCP) as u16);
    header.set_ttl(TTL);
    header.set_next_level_protocol(Tcp);
    header.set_source(from);
    header.set_destination(to);
    header.set_checksum(ipv4::checksum(&header.to_immutable()));
    Some(bytes)
}

fn v6(from: Ipv6Addr, to: Ipv6Addr, source: u16, destination: u16) -> Option<Vec<u8>> {
    let mut bytes = vec![0; IPV6 + TCP];
    segment(bytes.get_mut(IPV6..)?, source, destination, |segment| {
        tcp::ipv6_checksum(&segment.to_immutable(), &from, &to)
    })?;
    let mut header = MutableIpv6Packet::new(&mut bytes)?;
    header.set_version(6);
    header.set_payload_length(TCP as u16);
    header.set_next_header(Tcp);
    header.set_hop_limit(TTL);
    header.set_source(from);
    header.set_destination(to);
    Some(bytes)
}

/// An acknowledgement of nothing. Where a sequence number of 0 happens to be within the window, the
/// acknowledgement number is still none that the client takes, and it answers all the same.
fn segment(
    bytes: &mut [u8],
    source: u16,
    destination: u16,
    checksum: impl FnOnce(&MutableTcpPacket<'_>) -> u16,
) -> Option<()> {
    let mut segment = MutableTcpPacket::new(bytes)?;
    segment.set_source(source);
    segment.set_destination(destination);
    segment.set_data_offset(WORDS);
    segment.set_flags(TcpFlags::ACK);
    let checksum = checksum(&segment);
    segment.set_checksum(checksum);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pnet::packet::{Packet, ipv4::Ipv4Packet, ipv6::Ipv6Packet, tcp::TcpPacket};

    #[test]
    fn pokes_are_whole_packets() {
        let (from, to) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 7));
        let bytes = v4(from, to, 80, 40_000).unwrap();
        let packet = Ipv4Packet::new(&bytes).unwrap();
        assert_eq!(packet.get_checksum(), ipv4::checksum(&packet));
        assert_eq!((packet.get_source(), packet.get_destination()), (from, to));
        let segment = TcpPacket::new(packet.payload()).unwrap();
        assert_eq!(segment.get_checksum(), tcp::ipv4_checksum(&segment, &from, &to));
        assert_eq!((segment.get_source(), segment.get_destination()), (80, 40_000));

        let [from, to] = ["2001:db8::1", "2001:db8:1::7"].map(|it| it.parse::<Ipv6Addr>().unwrap());
        let bytes = v6(from, to, 80, 40_000).unwrap();
        let packet = Ipv6Packet::new(&bytes).unwrap();
        assert_eq!((packet.get_source(), packet.get_destination()), (from, to));
        let segment = TcpPacket::new(packet.payload()).unwrap();
        assert_eq!(segment.get_checksum(), tcp::ipv6_checksum(&segment, &from, &to));
    }
}
