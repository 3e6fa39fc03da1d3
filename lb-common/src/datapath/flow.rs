//! Flow state: which server a connection has, and for how long.

use super::env::{Env, FlowTable};
use super::packet::Packet;
use super::{Scratch, select};
use crate::abi::{
    Address, Flow, FlowKey, Service, Timeouts, direction, mode, protocol, server_flags, state,
};
use crate::reason::Reason;
use crate::wire::transport::tcp;

/// The server that a packet goes to. By its index: the compiler would fold a reference in a
/// `Result` with the error, and the verifier refuses arithmetic on pointers.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Choice {
    /// Index of the server.
    pub(super) server: u32,
    /// What is to be written down once it is certain that the packet goes there.
    pub(super) entry: Entry,
}

/// What a packet changes in the flow tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Entry {
    /// Nothing more.
    Kept,
    /// The flow's first packet in this second has come, or one that ends it.
    Refreshed,
    /// The first packet of a connection has come again.
    Repeated,
    /// A flow begins.
    New,
    /// The second packet of a flow has come.
    Confirmed,
    /// The packet leaves no trace: a reset of an unknown connection.
    None,
}

/// Finds the server of a packet's flow, or chooses one.
#[inline(always)]
pub(super) fn choose<E: Env>(
    env: &E,
    packet: &Packet,
    service: &Service,
    now: u32,
) -> Result<Choice, Reason> {
    if let Some(choice) = known(env, packet, service, now) {
        return Ok(choice);
    }
    let is_syn = begins_connection(packet.tcp_flags);
    let begins = packet.key.protocol != protocol::TCP || is_syn;
    let slot = if begins {
        select::slot(env, service, &packet.key)
    } else {
        select::hashed_slot(service, &packet.key)
    };
    let server = select::server_in_slot(env, service, slot)?;
    let entry = if packet.tcp_flags & tcp::RST != 0 { Entry::None } else { Entry::New };
    Ok(Choice { server, entry })
}

/// The server of a flow that a quoted packet belongs to; nothing is changed.
#[inline(always)]
pub(super) fn peek<E: Env>(env: &E, key: &FlowKey, now: u32) -> Option<u32> {
    let read = |flow: &mut Flow| {
        let usable = flow.direction == direction::REQUEST && !flow.expired(now);
        (Target::of(flow), usable)
    };
    let (_, (target, usable)) = find(env, key, read)?;
    (usable && target.is_current(env)).then_some(target.server)
}

/// The virtual address and port of a NAT server's flow that a quoted packet belongs to; nothing is
/// changed.
#[inline(always)]
pub(super) fn peek_reply<E: Env>(env: &E, key: &FlowKey, now: u32) -> Option<(Address, u16)> {
    let read = |flow: &mut Flow| {
        let usable = flow.direction == direction::REPLY && !flow.expired(now);
        usable.then_some((flow.virtual_address, flow.virtual_port))
    };
    find(env, key, read)?.1
}

/// Writes down what [`choose`] found.
#[inline(never)]
pub(super) fn keep<E: Env>(
    env: &E,
    service: &Service,
    choice: &Choice,
    now: u32,
    scratch: &mut Scratch,
) -> Result<(), Reason> {
    let Scratch { packet, flow, reply_key, .. } = scratch;
    let server = env.server(choice.server).ok_or(Reason::ServerGone)?;
    let is_nat = server.mode == mode::NAT;
    let (table, state) = match choice.entry {
        Entry::Kept | Entry::None => return Ok(()),
        Entry::Refreshed | Entry::Repeated if !is_nat => return Ok(()),
        Entry::Repeated => (FlowTable::HalfOpen, state::SYN),
        Entry::New => (FlowTable::HalfOpen, first_state(packet.tcp_flags)),
        Entry::Refreshed | Entry::Confirmed => {
            (FlowTable::Established, next_state(state::ESTABLISHED, packet.tcp_flags))
        }
    };
    let is_known = matches!(choice.entry, Entry::Refreshed | Entry::Repeated);
    if is_nat {
        *reply_key = packet.key.reply_from(server);
        // The two halves live and die together, unless the table had to forget one.
        let follow = |reply: &mut Flow| {
            reply.seen = now;
            reply.state = next_state(reply.state, packet.tcp_flags);
            reply.timeout = timeout(&service.timeouts, packet.key.protocol, reply.state);
        };
        if is_known && env.flow(table, reply_key, follow).is_some() {
            return Ok(());
        }
        if choice.entry != Entry::Confirmed && is_taken(env, reply_key, &packet.key, now) {
            // A flow that has ended does not take the port back.
            return if is_known { Ok(()) } else { Err(Reason::NatPortTaken) };
        }
        // What is left of an earlier flow would be found before this one.
        if choice.entry == Entry::New {
            env.remove(FlowTable::Established, reply_key);
        }
    }
    *flow = Flow {
        virtual_address: packet.key.destination,
        server: choice.server,
        generation: server.generation,
        service: service.id,
        seen: now,
        timeout: timeout(&service.timeouts, packet.protocol(), state),
        virtual_port: packet.key.destination_port,
        state,
        direction: direction::REPLY,
    };
    if is_nat {
        env.insert(table, reply_key, flow);
    }
    if !is_known {
        flow.direction = direction::REQUEST;
        env.insert(table, &packet.key, flow);
    }
    if choice.entry == Entry::Confirmed {
        env.remove(FlowTable::HalfOpen, &packet.key);
        if is_nat {
            env.remove(FlowTable::HalfOpen, reply_key);
        }
    }
    Ok(())
}

/// Notes a NAT server's packet in its flow; what the flow says of the way back.
#[inline(always)]
pub(super) fn reply<E: Env>(env: &E, packet: &Packet, now: u32) -> Option<Flow> {
    let ends = packet.tcp_flags & (tcp::FIN | tcp::RST) != 0;
    let note = |flow: &mut Flow| {
        let fresh = flow.seen != now || ends;
        let usable = flow.direction == direction::REPLY && !flow.expired(now);
        if usable && fresh {
            flow.seen = now;
            flow.state = next_state_of_reply(flow.state, packet.tcp_flags);
        }
        (*flow, usable, fresh)
    };
    let (table, (flow, usable, fresh)) = find(env, &packet.key, note)?;
    if !usable {
        return None;
    }
    if fresh {
        let request_key = packet.key.request_of(&flow);
        let timeouts = if ends {
            env.service(&super::service_key(&request_key)).map(|s| s.timeouts)
        } else {
            None
        };
        let follow = |entry: &mut Flow| {
            entry.seen = now;
            entry.state = next_state_of_reply(entry.state, packet.tcp_flags);
            if let Some(timeouts) = &timeouts {
                entry.timeout = timeout(timeouts, packet.key.protocol, entry.state);
            }
        };
        env.flow(table, &request_key, follow);
        if ends {
            env.flow(table, &packet.key, follow);
        }
    }
    Some(flow)
}

/// Visits a flow in the table that has it.
#[inline(always)]
fn find<E: Env, R>(
    env: &E,
    key: &FlowKey,
    visit: impl Fn(&mut Flow) -> R,
) -> Option<(FlowTable, R)> {
    match env.flow(FlowTable::Established, key, &visit) {
        Some(hit) => Some((FlowTable::Established, hit)),
        None => Some((FlowTable::HalfOpen, env.flow(FlowTable::HalfOpen, key, &visit)?)),
    }
}

/// The live flow of a packet, brought up to date.
#[inline(always)]
fn known<E: Env>(env: &E, packet: &Packet, service: &Service, now: u32) -> Option<Choice> {
    let is_syn = begins_connection(packet.tcp_flags);
    let follow = |flow: &mut Flow| {
        let reopened = is_syn && flow.state >= state::FIN;
        let usable = flow.direction == direction::REQUEST && !flow.expired(now) && !reopened;
        let news = flow.seen != now || packet.tcp_flags & (tcp::FIN | tcp::RST) != 0;
        if usable && news {
            flow.seen = now;
            flow.state = next_state(flow.state, packet.tcp_flags);
            flow.timeout = timeout(&service.timeouts, packet.key.protocol, flow.state);
        }
        (Target::of(flow), usable, news)
    };
    if let Some((target, usable, news)) = env.flow(FlowTable::Established, &packet.key, follow) {
        if usable && target.is_current(env) {
            let entry = if news { Entry::Refreshed } else { Entry::Kept };
            return Some(Choice { server: target.server, entry });
        }
        env.remove(FlowTable::Established, &packet.key);
        return None;
    }
    let look = |flow: &mut Flow| {
        let reopened = is_syn && flow.state >= state::FIN;
        let usable = flow.direction == direction::REQUEST && !flow.expired(now) && !reopened;
        if usable && is_syn {
            flow.seen = now;
        }
        (Target::of(flow), usable)
    };
    let (target, usable) = env.flow(FlowTable::HalfOpen, &packet.key, look)?;
    if !usable || !target.is_current(env) {
        return None;
    }
    let entry = if is_syn { Entry::Repeated } else { Entry::Confirmed };
    Some(Choice { server: target.server, entry })
}

/// What a flow says of its server.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Target {
    server: u32,
    generation: u32,
}

impl Target {
    #[inline(always)]
    fn of(flow: &Flow) -> Self {
        Self { server: flow.server, generation: flow.generation }
    }

    /// Whether it is still the one that was chosen.
    #[inline(always)]
    fn is_current<E: Env>(&self, env: &E) -> bool {
        env.server(self.server).is_some_and(|server| {
            server.flags & server_flags::PRESENT != 0 && server.generation == self.generation
        })
    }
}

/// Whether a client's port at a server already belongs to another virtual address.
#[inline(always)]
fn is_taken<E: Env>(env: &E, reply_key: &FlowKey, key: &FlowKey, now: u32) -> bool {
    let foreign = |flow: &mut Flow| {
        let same =
            flow.virtual_address == key.destination && flow.virtual_port == key.destination_port;
        flow.direction == direction::REPLY && !same && !flow.expired(now) && flow.state < state::FIN
    };
    env.flow(FlowTable::Established, reply_key, foreign).unwrap_or(false)
        || env.flow(FlowTable::HalfOpen, reply_key, foreign).unwrap_or(false)
}

#[inline(always)]
fn begins_connection(tcp_flags: u8) -> bool {
    tcp_flags & (tcp::SYN | tcp::ACK | tcp::RST) == tcp::SYN
}

#[inline(always)]
fn first_state(tcp_flags: u8) -> u8 {
    if begins_connection(tcp_flags) { state::SYN } else { state::NEW }
}

/// The client's half of TCP's states (RFC 9293, section 3.3.2), as a director sees it that may
/// not see the other half.
#[inline(always)]
fn next_state(current: u8, tcp_flags: u8) -> u8 {
    if tcp_flags & tcp::RST != 0 {
        state::CLOSED
    } else if tcp_flags & tcp::FIN != 0 && current < state::FIN {
        state::FIN
    } else if current < state::ESTABLISHED && !begins_connection(tcp_flags) {
        state::ESTABLISHED
    } else {
        current
    }
}

/// The server's half: its answer to a SYN establishes nothing.
#[inline(always)]
fn next_state_of_reply(current: u8, tcp_flags: u8) -> u8 {
    if tcp_flags & (tcp::FIN | tcp::RST) != 0 { next_state(current, tcp_flags) } else { current }
}

#[inline(always)]
fn timeout(timeouts: &Timeouts, protocol: u8, state: u8) -> u32 {
    if protocol != protocol::TCP {
        return timeouts.udp;
    }
    match state {
        state::SYN | state::NEW => timeouts.syn,
        state::ESTABLISHED => timeouts.established,
        state::FIN => timeouts.fin,
        _ => timeouts.closed,
    }
}
