//! Frames as a director receives them.

use super::craft::{Craft, Payload};
use super::random::Random;
use super::scene::{Scene, Target};
use super::view::View;
use super::{mutate, word};
use crate::dataplane::{Action, Output};
use lb_common::abi::protocol;
use lb_common::wire::ipv6;
use lb_common::wire::transport::tcp;
use std::net::IpAddr;

/// Makes frames, one after the other.
pub struct Generator<'a> {
    scene: &'a Scene,
    random: Random,
    mutated: usize,
    /// Frames that were sent on: what others answer to.
    sent: Vec<Vec<u8>>,
}

/// Clients use few ports, so that their flows are met again.
const CLIENT_PORTS: [u16; 6] = [1024, 2000, 2002, 33333, 50000, 65535];
/// How many frames are remembered.
const MEMORY: usize = 256;
/// Flags of TCP, the frequent ones several times.
const FLAGS: [u8; 12] = [
    tcp::SYN,
    tcp::SYN,
    tcp::ACK,
    tcp::ACK,
    tcp::ACK,
    tcp::ACK | 8,
    tcp::ACK | 8,
    tcp::FIN | tcp::ACK,
    tcp::RST,
    tcp::RST | tcp::ACK,
    tcp::SYN | tcp::ACK,
    0,
];

impl<'a> Generator<'a> {
    /// Starts from a seed; `mutated` of a hundred frames will be spoilt.
    pub fn new(scene: &'a Scene, seed: u64, mutated: usize) -> Self {
        Self { scene, random: Random::new(seed), mutated, sent: Vec::new() }
    }

    /// The next frame.
    pub fn frame(&mut self) -> Vec<u8> {
        let mut frame = self.good();
        if self.random.chance(self.mutated) {
            mutate(&mut self.random, &mut frame);
        }
        frame
    }

    /// Tells what became of a frame, so that later ones answer to it.
    pub fn note(&mut self, output: &Output) {
        if !matches!(output.action, Action::Tx | Action::Redirect) {
            return;
        }
        if self.sent.len() < MEMORY {
            self.sent.push(output.frame.clone());
        } else {
            let place = self.random.below(MEMORY);
            self.sent[place].clone_from(&output.frame);
        }
    }

    /// The next frame, with nothing wrong about it.
    pub fn good(&mut self) -> Vec<u8> {
        let craft = match self.random.below(100) {
            0..60 => self.request(),
            60..76 => self.reply().unwrap_or_else(|| self.request()),
            76..88 => self.error().unwrap_or_else(|| self.request()),
            88..95 => self.fragment(),
            95..98 => self.other(),
            _ => return self.no_packet(),
        };
        self.decorated(craft).frame()
    }

    /// From a client to a service.
    fn request(&mut self) -> Craft {
        let target = *self.random.pick(&self.scene.targets);
        let client = self.client(target.address.is_ipv4());
        let ports = [*self.random.pick(&CLIENT_PORTS), target.port];
        let payload = self.transport(target.protocol, ports);
        Craft::new(client, target.address, payload)
    }

    /// The answer to something that was sent on: from a NAT server to the client or, as the client
    /// answers to that, back again.
    fn reply(&mut self) -> Option<Craft> {
        let (frame, view) = self.sent_on()?;
        let [source, destination] = view.ports(&frame)?;
        let payload = match view.protocol {
            protocol::TCP | protocol::UDP => self.transport(view.protocol, [destination, source]),
            _ => return None,
        };
        Some(Craft::new(view.destination, view.source, payload))
    }

    /// An ICMP error about something that was sent on.
    fn error(&mut self) -> Option<Craft> {
        let (frame, view) = self.sent_on()?;
        let quote = &frame[view.l3..view.end];
        let least = (view.l4 - view.l3 + 8).min(quote.len());
        let most = quote.len().min(548);
        let quoted = least.min(most) + self.random.below(most.saturating_sub(least) + 1);
        let is_v4 = view.source.is_ipv4();
        let (kind, code) = match (is_v4, self.random.below(4)) {
            (true, 0) => (3, 4),
            (true, 1) => (11, 0),
            (true, 2) => (12, 0),
            (true, _) => (3, 3),
            (false, 0) => (2, 0),
            (false, 1) => (3, 0),
            (false, 2) => (4, 0),
            (false, _) => (1, 4),
        };
        let source = if self.random.chance(50) { view.destination } else { self.client(is_v4) };
        let payload = Payload::Icmp(kind, code, [0, 0, 5, 0x14], quote[..quoted].to_vec());
        Some(Craft::new(source, view.source, payload))
    }

    /// A fragment for a service. The smallest ones hold a part of the transport header.
    fn fragment(&mut self) -> Craft {
        let Target { address, protocol, .. } = *self.random.pick(&self.scene.targets);
        let client = self.client(address.is_ipv4());
        let length = 8 * self.random.below(8);
        let data = self.random.bytes(length);
        let mut craft = Craft::new(client, address, Payload::Other(protocol, data));
        let offset = if self.random.chance(50) { 0 } else { self.random.below(0x2000) as u16 };
        craft.fragment = Some((offset, offset == 0 || self.random.chance(50)));
        craft
    }

    /// What is no business of a load balancer, or nearly.
    fn other(&mut self) -> Craft {
        let target = *self.random.pick(&self.scene.targets);
        let client = self.client(target.address.is_ipv4());
        let ports = [*self.random.pick(&CLIENT_PORTS), self.random.number() as u16];
        let payload = match self.random.below(5) {
            0 => Payload::Other(47, self.random.bytes(20)),
            1 if target.address.is_ipv4() => Payload::Icmp(8, 0, [0; 4], vec![0; 32]),
            1 => Payload::Icmp(128, 0, [0; 4], vec![0; 32]),
            _ => self.transport(target.protocol, ports),
        };
        let mut craft = Craft::new(client, target.address, payload);
        match self.random.below(8) {
            0 => craft.fragment = Some((0, true)),
            1 => craft.destination = client,
            2 => craft.source = target.address,
            3 => craft.source = self.bogus(target.address.is_ipv4()),
            4 => {
                craft.extensions =
                    vec![(ipv6::DESTINATION_OPTIONS, vec![0; 6]); 6 + self.random.below(3)]
            }
            5 => craft.extensions = vec![(ipv6::ROUTING, vec![0, 1, 0, 0, 0, 0])],
            6 => craft.macs[0] = [0xff; 6],
            _ => craft.tags = vec![[0x8100, 1]; 3],
        }
        craft
    }

    /// A frame of any bytes, or of another protocol.
    fn no_packet(&mut self) -> Vec<u8> {
        let length = mutate::SHORTEST + self.random.below(187);
        let mut frame = self.random.bytes(length);
        frame[0] &= 0xfe;
        let types: [u16; 5] = [0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806];
        if self.random.chance(80) {
            let ethertype = self.random.pick(&types).to_be_bytes();
            frame[12..14].copy_from_slice(&ethertype);
        }
        frame
    }

    fn transport(&mut self, protocol: u8, ports: [u16; 2]) -> Payload {
        let length = match self.random.below(20) {
            0 => 1000 + self.random.below(700),
            1..8 => 0,
            _ => self.random.below(64),
        };
        let data = self.random.bytes(length);
        if protocol == protocol::UDP {
            return Payload::Udp(ports, self.random.chance(80), data);
        }
        let options = if self.random.chance(20) { 4 * self.random.below(11) } else { 0 };
        Payload::Tcp(ports, *self.random.pick(&FLAGS), vec![1; options], data)
    }

    /// Adds what any packet may have.
    fn decorated(&mut self, mut craft: Craft) -> Craft {
        let random = &mut self.random;
        craft.ttl = if random.chance(4) { random.below(3) as u8 } else { random.byte().max(2) };
        craft.traffic_class = if random.chance(20) { random.byte() } else { 0 };
        craft.padding = if random.chance(10) { random.below(20) } else { 0 };
        if craft.tags.is_empty() && random.chance(20) {
            let outer = [*random.pick(&[0x8100, 0x88a8]), random.number() as u16];
            let inner = [0x8100, random.number() as u16];
            craft.tags = if random.chance(50) { vec![outer] } else { vec![outer, inner] };
        }
        if random.chance(8) {
            craft.options = vec![1; 4 * (1 + random.below(10))];
        }
        if craft.extensions.is_empty() && random.chance(10) {
            let kinds = [ipv6::HOP_BY_HOP, ipv6::ROUTING, ipv6::DESTINATION_OPTIONS];
            for _ in 0..1 + random.below(4) {
                let kind = *random.pick(&kinds);
                craft.extensions.push((kind, vec![0; 6 + 8 * random.below(3)]));
            }
            if craft.fragment.is_none() && random.chance(20) {
                craft.fragment = Some((0, false));
            }
        }
        craft
    }

    fn client(&mut self, is_v4: bool) -> IpAddr {
        let half = self.scene.clients.len() / 2;
        let clients = self.scene.clients.split_at(half);
        *self.random.pick(if is_v4 { clients.0 } else { clients.1 })
    }

    fn bogus(&mut self, is_v4: bool) -> IpAddr {
        let (v4, v6) = (["127.0.0.1", "0.0.0.0", "224.0.0.1"], ["::1", "::", "ff02::1"]);
        let text = self.random.pick(if is_v4 { &v4 } else { &v6 });
        text.parse().expect("an address")
    }

    /// Something that was sent on, without a tunnel's outer header.
    fn sent_on(&mut self) -> Option<(Vec<u8>, View)> {
        if self.sent.is_empty() {
            return None;
        }
        let frame = self.random.pick(&self.sent).clone();
        let view = View::of(&frame)?;
        if !matches!(view.protocol, protocol::IPIP | protocol::IPV6) {
            return Some((frame, view));
        }
        let is_v4 = view.protocol == protocol::IPIP;
        let ethertype: u16 = if is_v4 { 0x0800 } else { 0x86dd };
        let inner = [&[2; 12], &ethertype.to_be_bytes()[..], frame.get(view.l4..)?].concat();
        let view = View::of(&inner)?;
        (word(&inner, view.l4).is_some()).then_some((inner, view))
    }
}
