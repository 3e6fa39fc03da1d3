//! Choosing a server for a new flow. User space has turned weights and schedulers into a table;
//! here only the index is chosen, unless live connections are what counts.

use super::env::Env;
use super::{hash, least};
use crate::abi::{FlowKey, Select, Service, service_flags};
use crate::reason::Reason;

/// No server's index, as a number: an `Option` takes two registers, and a subprogram returns one.
pub(super) const NONE: u32 = u32::MAX;

/// The server for a new flow.
#[inline(always)]
pub(super) fn server<E: Env>(env: &E, service: &Service, key: &FlowKey) -> Result<u32, Reason> {
    if service.slots == 0 {
        return Err(Reason::NoServer);
    }
    let slot = slot(env, service, key);
    if !Select::compares(service.select) && service.flags & service_flags::LIMITED == 0 {
        return server_in_slot(env, service, slot);
    }
    match least::pick(env, service, slot) {
        NONE => Err(Reason::ServersFull),
        server => Ok(server),
    }
}

/// The slot for a packet that begins no connection and whose flow is not known: by hash for every
/// scheduler, so that all directors and all later packets agree.
#[inline(always)]
pub(super) fn hashed_slot(service: &Service, key: &FlowKey) -> u32 {
    let hash = if service.select == Select::Source as u8 {
        hash::address(&key.source)
    } else if service.select == Select::Destination as u8 {
        hash::address(&key.destination)
    } else {
        hash::source_and_port(&key.source, key.source_port)
    };
    hash::index(hash, service.slots)
}

/// The slot for a fragment, the same for all fragments of a packet.
#[inline(always)]
pub(super) fn fragment_slot(service: &Service, key: &FlowKey) -> u32 {
    let hash = if service.select == Select::Source as u8 {
        hash::address(&key.source)
    } else if service.select == Select::Destination as u8 {
        hash::address(&key.destination)
    } else {
        hash::addresses(&key.source, &key.destination)
    };
    hash::index(hash, service.slots)
}

/// The server in a slot of a service's table.
#[inline(always)]
pub(super) fn server_in_slot<E: Env>(env: &E, service: &Service, slot: u32) -> Result<u32, Reason> {
    if service.slots == 0 {
        return Err(Reason::NoServer);
    }
    env.slot(service.table.wrapping_add(slot)).ok_or(Reason::ServerGone)
}

/// The slot for a new flow, or the one to begin with: servers that are equal take turns.
#[inline(always)]
fn slot<E: Env>(env: &E, service: &Service, key: &FlowKey) -> u32 {
    let takes_turns = service.select == Select::Cursor as u8 || Select::compares(service.select);
    if takes_turns && service.slots != 0 {
        (env.advance(service.id) % service.slots as u64) as u32
    } else {
        hashed_slot(service, key)
    }
}
