//! IPv4 and IPv6 take the same decisions.

use crate::small::{CLIENTS, MODES, client, request, transport, turned, world};
use lb_common::abi::{Select, protocol};
use lb_common::reason::Reason;
use lb_common::wire::transport::tcp;
use lb_tests::dataplane::{Action, Host};
use lb_tests::generate::{Craft, Payload, View};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// A client's packet.
    Request {
        from: u8,
        port: u16,
        service: usize,
        protocol: u8,
        tcp_flags: u8,
        ttl: u8,
        length: usize,
    },
    /// A fragment: client, service, protocol, offset and whether more follow.
    Fragment(u8, usize, u8, u16, bool),
    /// An answer to something that was sent on, by its number.
    Answer(usize),
    /// An error about something that was sent on.
    Error(usize),
    /// So many seconds pass.
    Wait(u32),
}

proptest! {
    #[test]
    fn agree(steps in vec(step(), 1..60)) {
        prop_assert_eq!(decisions(true, 1, &steps), decisions(false, 1, &steps));
    }

    /// Several servers take turns. A packet of no known flow would go by a hash of addresses, so
    /// there is none.
    #[test]
    fn agree_on_turns(mut steps in vec(step(), 1..60)) {
        steps.retain(|step| !matches!(step, Step::Fragment(..) | Step::Error(_)));
        for step in &mut steps {
            if let Step::Request { tcp_flags, .. } = step {
                *tcp_flags = tcp::SYN;
            }
        }
        prop_assert_eq!(decisions(true, 3, &steps), decisions(false, 3, &steps));
    }
}

/// What was decided: action, reason and link-layer addresses, if sent on.
fn decisions(is_v4: bool, servers: u8, steps: &[Step]) -> Vec<(Action, Reason, Vec<u8>)> {
    let mut host = Host::new(&world(is_v4, Select::Cursor, servers));
    let mut now = 1_000;
    host.set_now(now);
    let mut sent: Vec<Vec<u8>> = Vec::new();
    let mut decisions = Vec::new();
    for step in steps {
        let frame = match *step {
            Step::Request { from, port, service, protocol, tcp_flags, ttl, length } => {
                let payload = transport(protocol, port, tcp_flags, vec![7; length]);
                let mut craft = request(client(is_v4, from), service, payload);
                craft.ttl = ttl;
                craft.frame()
            }
            Step::Fragment(from, service, protocol, offset, more) => {
                let payload = Payload::Other(protocol, vec![7; 64]);
                let mut craft = request(client(is_v4, from), service, payload);
                craft.fragment = Some((offset, more));
                craft.frame()
            }
            Step::Answer(number) if number < sent.len() => turned(&sent[number]),
            Step::Error(number) if number < sent.len() => error(&sent[number]),
            Step::Answer(_) | Step::Error(_) => continue,
            Step::Wait(seconds) => {
                now += seconds;
                host.set_now(now);
                continue;
            }
        };
        let (output, reason) = host.run_for_reason(&frame);
        let mut macs = Vec::new();
        if output.action == Action::Redirect {
            macs.extend_from_slice(&output.frame[..12]);
            if matches!(reason, Reason::ToServer | Reason::ToClient) {
                sent.push(output.frame);
            }
        }
        decisions.push((output.action, reason, macs));
    }
    decisions
}

/// An ICMP error to the sender of a frame.
fn error(frame: &[u8]) -> Vec<u8> {
    let view = View::of(frame).expect("a packet");
    let kind = if view.source.is_ipv4() { 3 } else { 1 };
    let quote = frame[view.l3..view.end].to_vec();
    let payload = Payload::Icmp(kind, 0, [0; 4], quote);
    Craft::new(view.destination, view.source, payload).frame()
}

fn step() -> impl Strategy<Value = Step> {
    let protocol = || select(vec![protocol::TCP, protocol::UDP]);
    let flags = select(vec![
        tcp::SYN,
        tcp::SYN,
        tcp::ACK,
        tcp::ACK,
        tcp::FIN | tcp::ACK,
        tcp::RST,
        tcp::SYN | tcp::ACK,
    ]);
    let ttl = prop_oneof![9 => Just(64), 1 => 0..3_u8];
    // Short enough, or too long, in both families.
    let length = prop_oneof![9 => Just(100_usize), 1 => Just(1_500)];
    prop_oneof![
        10 => (CLIENTS, 1..4_u16, 0..MODES.len(), protocol(), flags, ttl, length)
            .prop_map(|(from, port, service, protocol, tcp_flags, ttl, length)| Step::Request {
                from, port, service, protocol, tcp_flags, ttl, length,
            }),
        1 => (CLIENTS, 0..MODES.len(), protocol(), 0..3_u16, any::<bool>())
            .prop_map(|(from, service, protocol, offset, more)| {
                Step::Fragment(from, service, protocol, offset, more)
            }),
        5 => (0..30_usize).prop_map(Step::Answer),
        2 => (0..30_usize).prop_map(Step::Error),
        2 => select(vec![1, 9, 59, 61, 121, 901]).prop_map(Step::Wait),
    ]
}
