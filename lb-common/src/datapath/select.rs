//! Choosing a slot of a service's table. User space has turned weights and schedulers into the
//! table; here only the index is chosen.

use super::env::Env;
use super::hash;
use crate::abi::{FlowKey, Select, Service};
use crate::reason::Reason;

/// The slot for a new flow.
#[inline(always)]
pub(super) fn slot<E: Env>(env: &E, service: &Service, key: &FlowKey) -> u32 {
    if service.select == Select::Cursor as u8 && service.slots != 0 {
        (env.advance(service.id) % service.slots as u64) as u32
    } else {
        hashed_slot(service, key)
    }
}

/// The slot for a packet that begins no connection and whose flow is not known: by hash for every
/// scheduler, so that all directors and all later packets agree.
#[inline(always)]
pub(super) fn hashed_slot(service: &Service, key: &FlowKey) -> u32 {
    let hash = if service.select == Select::Source as u8 {
        hash::source(&key.source)
    } else {
        hash::source_and_port(&key.source, key.source_port)
    };
    hash::index(hash, service.slots)
}

/// The slot for a fragment, the same for all fragments of a packet.
#[inline(always)]
pub(super) fn fragment_slot(service: &Service, key: &FlowKey) -> u32 {
    let hash = if service.select == Select::Source as u8 {
        hash::source(&key.source)
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
