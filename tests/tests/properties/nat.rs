//! NAT there and back.

use crate::small::{CLIENTS, client, request, turned, world};
use lb_common::abi::{Select, protocol};
use lb_common::reason::Reason;
use lb_common::wire::transport::tcp;
use lb_tests::dataplane::{Action, Host, Output};
use lb_tests::generate::{Craft, Payload, View, checksum, with_pseudo_header};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    /// A client's packet, sent back as the server got it and sent there again, is the same packet,
    /// but for TTL and what the header's checksum says of that.
    #[test]
    fn is_the_identity(
        is_v4: bool,
        from in CLIENTS,
        payload in payload(),
        ttl in 3_u8..,
        traffic_class: u8,
        options in 0..=10_usize,
        extensions in vec(0..20_usize, 0..3),
    ) {
        let mut craft = request(client(is_v4, from), 0, payload);
        craft.ttl = ttl;
        craft.traffic_class = traffic_class;
        craft.options = vec![1; 4 * options];
        craft.extensions = extensions.into_iter().map(|length| (60, vec![0; length])).collect();
        let mut host = Host::new(&world(is_v4, Select::Cursor, 2));

        let at_server = sent(&mut host, &craft.frame());
        prop_assert!(sums_are_right(&at_server, &craft));
        let at_client = sent(&mut host, &turned(&at_server));
        prop_assert!(sums_are_right(&at_client, &craft));

        craft.ttl -= 2;
        let back = turned(&at_client);
        prop_assert_eq!(&back[14..], craft.packet());
    }
}

/// After a connection to one virtual address, a client may use its port for another one of the
/// same server: the answers come from that one.
#[test]
fn a_port_used_again_for_another_address() {
    for is_v4 in [true, false] {
        let mut host = Host::new(&world(is_v4, Select::Source, 2));
        let packet = |vip, flags| {
            let payload = Payload::Tcp([5000, 443], flags, Vec::new(), Vec::new());
            request(client(is_v4, 1), vip, payload).frame()
        };
        let (syn, ack, reset) = (tcp::SYN, tcp::ACK, tcp::RST);
        for flags in [syn, ack, reset] {
            sent(&mut host, &packet(0, flags));
        }
        let at_server = sent(&mut host, &packet(1, syn));
        let at_client = sent(&mut host, &turned(&at_server));
        let answers = View::of(&at_client).unwrap().source;
        assert_eq!(answers, View::of(&packet(1, syn)).unwrap().destination);
    }
}

/// A flow that expired is no obstacle to the next one between the same ends.
#[test]
fn a_port_used_again_after_a_long_time() {
    for is_v4 in [true, false] {
        let mut host = Host::new(&world(is_v4, Select::Source, 2));
        let packet = |flags| {
            let payload = Payload::Tcp([5000, 443], flags, Vec::new(), Vec::new());
            request(client(is_v4, 1), 0, payload).frame()
        };
        host.set_now(1_000);
        sent(&mut host, &packet(tcp::SYN));
        sent(&mut host, &packet(tcp::ACK));
        host.set_now(10_000);
        let at_server = sent(&mut host, &packet(tcp::SYN));
        let (_, reason) = host.run_for_reason(&turned(&at_server));
        assert_eq!(reason, Reason::ToClient);
    }
}

fn payload() -> impl Strategy<Value = Payload> {
    let data = || vec(any::<u8>(), 0..64);
    prop_oneof![
        (1_u16.., any::<u8>(), 0..=10_usize, data()).prop_map(|(port, flags, options, data)| {
            // A reset leaves no flow behind, so there would be no way back.
            Payload::Tcp([port, 443], flags & !tcp::RST, vec![1; 4 * options], data)
        }),
        (1_u16.., any::<bool>(), data()).prop_map(|(port, summed, data)| Payload::Udp(
            [port, 443],
            summed,
            data
        )),
        // With sums of 0 and 0xffff among them.
        (1_u16.., any::<u16>()).prop_map(|(port, word)| Payload::Udp(
            [port, 443],
            true,
            word.to_be_bytes().to_vec()
        )),
    ]
}

fn sent(host: &mut Host, frame: &[u8]) -> Vec<u8> {
    let Output { action, frame } = host.run(frame);
    assert_eq!(action, Action::Redirect);
    frame
}

/// Whether a frame's sums are right, by etherparse. `craft` says which a packet has.
fn sums_are_right(frame: &[u8], craft: &Craft) -> bool {
    let view = View::of(frame).expect("a packet");
    let message = &frame[view.l4..view.end];
    let none = matches!(craft.payload, Payload::Udp(_, false, _));
    let transport_sum = if none && view.protocol == protocol::UDP {
        u16::from_be_bytes([message[6], message[7]])
    } else {
        with_pseudo_header(view.source, view.destination, view.protocol, message)
    };
    transport_sum == 0 && (!view.source.is_ipv4() || checksum(&[&frame[view.l3..view.l4]]) == 0)
}
