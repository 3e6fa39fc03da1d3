//! A flood of first packets churns the half-open flows alone: established connections of a
//! scheduler that needs its flows stay with their servers.

use etherparse::PacketBuilder;
use lb_common::abi::{Address, Macs, NextHop, Select, Server, Tags, mode, server_flags};
use lb_common::datapath::FlowTable;
use lb_tests::dataplane::{Action, INGRESS, Kernel, World};
use pnet::packet::ethernet::EthernetPacket;
use pnet::packet::ipv4::MutableIpv4Packet;
use std::net::Ipv4Addr;

const ESTABLISHED: u32 = 1000;
/// Many times what the map of half-open flows holds.
const FLOOD: u32 = 200_000;
const SERVERS: u8 = 5;

#[test]
fn a_flood_of_first_packets_evicts_no_connection() {
    let object = std::fs::read(env!("LB_EBPF_OBJECT")).unwrap();
    let mut kernel = Kernel::load(&object, &world()).unwrap();
    let mut packets = Packets::new();

    let served: Vec<_> = (0..ESTABLISHED)
        .map(|client| {
            let first = run(&mut kernel, packets.syn(client));
            assert_eq!(run(&mut kernel, packets.ack(client)), first, "client {client}");
            first
        })
        .collect();
    assert_eq!(kernel.flows(FlowTable::Established).unwrap().len(), ESTABLISHED as usize);

    for client in ESTABLISHED..ESTABLISHED + FLOOD {
        run(&mut kernel, packets.syn(client));
        // What a director that has just taken over would see, or a forged acknowledgement.
        run(&mut kernel, packets.ack(client + FLOOD));
    }
    for (client, server) in (0..ESTABLISHED).zip(served) {
        assert_eq!(run(&mut kernel, packets.ack(client)), server, "client {client}");
    }
    assert_eq!(kernel.flows(FlowTable::Established).unwrap().len(), ESTABLISHED as usize);
    let half_open = kernel.flows(FlowTable::HalfOpen).unwrap().len();
    assert!(half_open < FLOOD as usize / 4, "{half_open} half-open flows");
}

/// Sends a frame through; the link-layer address of the server that it goes to.
fn run(kernel: &mut Kernel, frame: &[u8]) -> [u8; 6] {
    let output = kernel.run(frame).unwrap();
    assert_eq!(output.action, Action::Tx);
    *output.frame.first_chunk().unwrap()
}

fn world() -> World {
    let servers: Vec<_> = (1..=SERVERS)
        .map(|number| Server {
            next_hop: NextHop {
                tags: Tags::NONE,
                ifindex: INGRESS,
                mtu: 1500,
                macs: Macs::new([2, 0, 0, 0, 1, number], [2, 0, 0, 0, 0, 1]),
            },
            address: Address::from_v4([192, 0, 2, number]),
            tunnel_source: Address::UNSPECIFIED,
            generation: 1,
            service: 0,
            port: 80_u16.to_be(),
            mode: mode::DR,
            flags: server_flags::PRESENT | server_flags::RESOLVED,
            weight: 1,
            max_connections: 0,
            pad: 0,
        })
        .collect();
    let service = World::service(0, Select::Cursor);
    let mut world = World::empty();
    world.add_service(World::key("tcp 192.0.2.100:80"), service, &servers);
    world
}

/// Frames of any number of clients. The data plane leaves sums to the receivers, so these are not
/// brought up to date for each client.
struct Packets {
    syn: Vec<u8>,
    ack: Vec<u8>,
}

impl Packets {
    fn new() -> Self {
        let frame = |syn: bool| {
            let packet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1])
                .ipv4([10, 0, 0, 0], [192, 0, 2, 100], 64)
                .tcp(40_000, 80, 1, 1000);
            let packet = if syn { packet.syn() } else { packet.ack(1) };
            let mut bytes = Vec::new();
            packet.write(&mut bytes, &[]).unwrap();
            bytes
        };
        Self { syn: frame(true), ack: frame(false) }
    }

    fn syn(&mut self, client: u32) -> &[u8] {
        from_client(&mut self.syn, client)
    }

    fn ack(&mut self, client: u32) -> &[u8] {
        from_client(&mut self.ack, client)
    }
}

fn from_client(frame: &mut [u8], client: u32) -> &[u8] {
    let ip = &mut frame[EthernetPacket::minimum_packet_size()..];
    let first = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    MutableIpv4Packet::new(ip).unwrap().set_source(Ipv4Addr::from(first + client));
    frame
}
