//! Persistence: a template says which server a client's new flows go to, for some time after its
//! last packet (`ip_vs_sched_persist` in net/netfilter/ipvs/ip_vs_core.c).

use super::Scratch;
use super::env::{Env, FlowTable};
use super::flow::{Choice, Entry, Target};
use super::least::is_full;
use super::select::NONE;
use crate::abi::{Flow, Service, direction, server_flags, state};

/// The server that a client's template names; [`NONE`] if there is none that would do. Only a
/// packet that `begins` a flow asks whether the server takes another.
#[inline(never)]
pub(super) fn server<E: Env>(
    env: &E,
    service: &Service,
    begins: bool,
    now: u32,
    scratch: &mut Scratch,
) -> u32 {
    let Scratch { packet, template_key, .. } = scratch;
    *template_key = packet.key.template(service.persist_prefix);
    let read = |template: &mut Flow| (Target::of(template), !template.expired(now));
    let Some((target, true)) = env.flow(FlowTable::Established, template_key, read) else {
        return NONE;
    };
    let Some(server) = target.current(env) else {
        return NONE;
    };
    let is_leaving = server.flags & server_flags::LEAVING != 0;
    if is_leaving || begins && is_full(server, env.load(target.server)) {
        return NONE;
    }
    target.server
}

/// Has the client's template follow a packet that goes to a server: one that begins a flow makes
/// it, and later ones keep it.
#[inline(never)]
pub(super) fn follow<E: Env>(
    env: &E,
    service: &Service,
    choice: &Choice,
    now: u32,
    scratch: &mut Scratch,
) {
    if matches!(choice.entry, Entry::Kept | Entry::None) {
        return;
    }
    let Scratch { packet, flow, template_key, .. } = scratch;
    let Some(server) = env.server(choice.server) else {
        return;
    };
    let begins = choice.entry == Entry::New;
    *template_key = packet.key.template(service.persist_prefix);
    let update = |template: &mut Flow| {
        if begins {
            template.server = choice.server;
            template.generation = server.generation;
            template.service = service.id;
        }
        // The client may have flows at other servers still, which the template has left.
        if template.server == choice.server && template.generation == server.generation {
            template.seen = now;
            template.timeout = service.persist;
        }
    };
    if env.flow(FlowTable::Established, template_key, update).is_some() || !begins {
        return;
    }
    *flow = Flow {
        virtual_address: packet.key.destination,
        server: choice.server,
        generation: server.generation,
        service: service.id,
        seen: now,
        timeout: service.persist,
        virtual_port: packet.key.destination_port,
        state: state::ESTABLISHED,
        direction: direction::TEMPLATE,
    };
    env.insert(FlowTable::Established, template_key, flow);
}
