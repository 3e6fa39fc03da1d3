//! Which server a packet's flow has.

use super::env::{Env, FlowTable};
use super::packet::Packet;
use super::states::{begins_connection, next_state, timeout};
use super::track::unload;
use super::{Scratch, persist, select};
use crate::abi::{
    Address, Flow, FlowKey, Server, Service, direction, protocol, server_flags, state,
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
    /// The first packet of a connection has come again, or one of a connection that ended before
    /// its second packet.
    Repeated,
    /// A flow begins.
    New,
    /// The second packet of a flow has come.
    Confirmed,
    /// The packet leaves no trace: a reset of an unknown connection.
    None,
    /// The packet goes nowhere: its flow is to be reset.
    Reset,
}

/// Finds the server of a packet's flow, or chooses one.
#[inline(always)]
pub(super) fn choose<E: Env>(
    env: &E,
    service: &Service,
    now: u32,
    scratch: &mut Scratch,
) -> Result<Choice, Reason> {
    if let Some(choice) = known(env, &scratch.packet, service, now) {
        return Ok(choice);
    }
    let tcp_flags = scratch.packet.tcp_flags;
    let entry = if tcp_flags & tcp::RST != 0 { Entry::None } else { Entry::New };
    let begins = scratch.packet.protocol() != protocol::TCP || begins_connection(tcp_flags);
    if service.persist != 0 {
        let server = persist::server(env, service, begins, now, scratch);
        if server != select::NONE {
            return Ok(Choice { server, entry });
        }
    }
    let key = &scratch.packet.key;
    let server = if begins {
        select::server(env, service, key)?
    } else {
        select::server_in_slot(env, service, select::hashed_slot(service, key))?
    };
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
    (usable && target.current(env).is_some()).then_some(target.server)
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

/// Visits a flow in the table that has it.
#[inline(always)]
pub(super) fn find<E: Env, R>(
    env: &E,
    key: &FlowKey,
    visit: impl Fn(&mut Flow) -> R,
) -> Option<(FlowTable, R)> {
    match env.flow(FlowTable::Established, key, &visit) {
        Some(hit) => Some((FlowTable::Established, hit)),
        None => Some((FlowTable::HalfOpen, env.flow(FlowTable::HalfOpen, key, &visit)?)),
    }
}

/// The live flow of a packet, brought up to date. One that chooses again is forgotten.
#[inline(always)]
fn known<E: Env>(env: &E, packet: &Packet, service: &Service, now: u32) -> Option<Choice> {
    let is_syn = begins_connection(packet.tcp_flags);
    let is_usable = |flow: &Flow| {
        let reopened = is_syn && flow.state >= state::FIN;
        flow.direction == direction::REQUEST && !flow.expired(now) && !reopened
    };
    let update = |flow: &mut Flow| {
        flow.seen = now;
        flow.state = next_state(flow.state, packet.tcp_flags);
        flow.timeout = timeout(&service.timeouts, packet.key.protocol, flow.state);
    };
    let follow = |flow: &mut Flow| {
        let usable = is_usable(flow);
        let news = flow.seen != now || packet.tcp_flags & (tcp::FIN | tcp::RST) != 0;
        let lived = flow.state < state::FIN;
        if usable && news {
            update(flow);
        }
        (Target::of(flow), usable, news, lived, lived && flow.state >= state::FIN)
    };
    if let Some((target, usable, news, lived, ended)) =
        env.flow(FlowTable::Established, &packet.key, follow)
    {
        let fate = if usable { target.fate(env, packet) } else { Fate::Gone };
        if ended && fate == Fate::GoesOn || lived && fate.is_leaving() {
            unload(env, service, target.server);
        }
        let entry = match fate {
            Fate::GoesOn if news => Entry::Refreshed,
            Fate::GoesOn => Entry::Kept,
            Fate::Resets => Entry::Reset,
            Fate::ChoosesAgain | Fate::Gone => {
                env.remove(FlowTable::Established, &packet.key);
                return None;
            }
        };
        return Some(Choice { server: target.server, entry });
    }
    let look = |flow: &mut Flow| {
        let usable = is_usable(flow);
        let lived = flow.state < state::FIN;
        if usable && is_syn {
            flow.seen = now;
        }
        if usable && !lived {
            update(flow);
        }
        (Target::of(flow), usable, lived)
    };
    let (target, usable, lived) = env.flow(FlowTable::HalfOpen, &packet.key, look)?;
    let fate = if usable { target.fate(env, packet) } else { Fate::Gone };
    if lived && fate.is_leaving() {
        unload(env, service, target.server);
    }
    let entry = match fate {
        Fate::GoesOn if is_syn || !lived => Entry::Repeated,
        Fate::GoesOn => Entry::Confirmed,
        Fate::Resets => Entry::Reset,
        Fate::ChoosesAgain => {
            env.remove(FlowTable::HalfOpen, &packet.key);
            return None;
        }
        // The next flow takes its place.
        Fate::Gone => return None,
    };
    Some(Choice { server: target.server, entry })
}

/// What a flow says of its server.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C, align(8))]
pub(super) struct Target {
    /// Its index.
    pub(super) server: u32,
    generation: u32,
}

impl Target {
    #[inline(always)]
    pub(super) fn of(flow: &Flow) -> Self {
        Self { server: flow.server, generation: flow.generation }
    }

    /// The server, if it is still the one that was chosen.
    #[inline(always)]
    pub(super) fn current<'a, E: Env>(&self, env: &'a E) -> Option<&'a Server> {
        env.server(self.server).filter(|server| {
            server.flags & server_flags::PRESENT != 0 && server.generation == self.generation
        })
    }

    #[inline(always)]
    fn fate<E: Env>(&self, env: &E, packet: &Packet) -> Fate {
        let Some(server) = self.current(env) else {
            return Fate::Gone;
        };
        if server.flags & server_flags::LEAVING == 0 {
            Fate::GoesOn
        } else if packet.protocol() != protocol::TCP {
            Fate::ChoosesAgain
        } else if server.flags & server_flags::RESETS == 0 {
            Fate::GoesOn
        } else if begins_connection(packet.tcp_flags) {
            Fate::ChoosesAgain
        } else {
            Fate::Resets
        }
    }
}

/// What becomes of a flow when a packet of it comes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Fate {
    /// It stays with its server.
    GoesOn,
    /// Its server takes no new flows, and this packet may as well begin one.
    ChoosesAgain,
    /// Its server is down, and it cannot go on with another.
    Resets,
    /// It has ended, or its server is not there any more.
    Gone,
}

impl Fate {
    /// Whether it leaves a server that is still there.
    #[inline(always)]
    fn is_leaving(self) -> bool {
        matches!(self, Self::ChoosesAgain | Self::Resets)
    }
}
