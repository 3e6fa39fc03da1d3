//! Writing down which server a flow has, and for how long.

use super::Scratch;
use super::env::{Env, FlowTable};
use super::flow::{Choice, Entry, Target, find};
use super::packet::Packet;
use super::states::{first_state, next_state, next_state_of_reply, timeout};
use crate::abi::{Flow, FlowKey, Service, direction, mode, service_flags, state};
use crate::reason::Reason;
use crate::wire::transport::tcp;

/// Writes down what [`super::flow::choose`] found.
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
        Entry::Kept | Entry::None | Entry::Reset => return Ok(()),
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
    if choice.entry == Entry::New && service.flags & service_flags::COUNTED != 0 {
        env.add_load(choice.server, 1);
    }
    if choice.entry == Entry::Confirmed {
        env.remove(FlowTable::HalfOpen, &packet.key);
        if is_nat {
            env.remove(FlowTable::HalfOpen, reply_key);
        }
        if state >= state::FIN {
            unload(env, service, choice.server);
        }
    }
    Ok(())
}

/// Forgets a flow whose server has its flows reset. A reset is never answered (RFC 9293, section
/// 3.10.7.1).
#[inline(never)]
pub(super) fn reset<E: Env>(env: &E, server: u32, now: u32, scratch: &mut Scratch) -> Reason {
    let Scratch { packet, reply_key, .. } = scratch;
    env.remove(FlowTable::Established, &packet.key);
    env.remove(FlowTable::HalfOpen, &packet.key);
    if let Some(server) = env.server(server)
        && server.mode == mode::NAT
    {
        *reply_key = packet.key.reply_from(server);
        if !is_taken(env, reply_key, &packet.key, now) {
            env.remove(FlowTable::Established, reply_key);
            env.remove(FlowTable::HalfOpen, reply_key);
        }
    }
    if packet.tcp_flags & tcp::RST != 0 { Reason::Unanswerable } else { Reason::FlowReset }
}

/// Notes a NAT server's packet in its flow; what the flow says of the way back. The packets of a
/// server whose flows are reset go on to the client, as they do without NAT: the client's answer to
/// them is what is reset.
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
        let service = if ends { env.service(&super::service_key(&request_key)) } else { None };
        let follow = |entry: &mut Flow| {
            // The client may have begun anew at another server.
            if Target::of(entry) != Target::of(&flow) {
                return false;
            }
            let lived = entry.state < state::FIN;
            entry.seen = now;
            entry.state = next_state_of_reply(entry.state, packet.tcp_flags);
            if let Some(service) = service {
                entry.timeout = timeout(&service.timeouts, packet.key.protocol, entry.state);
            }
            lived
        };
        let lived = env.flow(table, &request_key, follow).unwrap_or(false);
        if ends {
            env.flow(table, &packet.key, follow);
        }
        if let Some(service) = service
            && lived
            && Target::of(&flow).current(env).is_some()
        {
            unload(env, service, flow.server);
        }
    }
    Some(flow)
}

/// Takes a flow that ended, or left its server, out of the server's load.
#[inline(always)]
pub(super) fn unload<E: Env>(env: &E, service: &Service, server: u32) {
    if service.flags & service_flags::COUNTED != 0 {
        env.add_load(server, -1);
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
