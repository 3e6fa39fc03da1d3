//! The data plane: `parse → service → (flow hit | schedule) → forward (nat | dr | tunnel)`.
//!
//! Generic over [`Frame`] (the packet's bytes) and [`Env`] (maps, clock, routes), so that the same
//! source runs in the kernel, in tests and under a fuzzer.
//!
//! What lies on the kernel's stack is aligned to 8 and whole words long: the compiler joins
//! neighbouring fields into wide accesses, and the verifier refuses those that are not aligned.

mod answer;
mod env;
mod family;
mod flow;
mod forward;
mod fragment;
mod frame;
pub mod hash;
mod icmp;
mod least;
mod link;
mod nat;
mod packet;
mod parse;
mod persist;
mod reply;
mod reset;
mod scratch;
mod select;
mod states;
mod track;
mod verdict;

pub use answer::ANSWERS_PER_SECOND;
pub use env::{Env, FlowTable, Route, RouteQuery, Step};
pub use frame::Frame;
pub use scratch::Scratch;
pub use verdict::Verdict;

use crate::abi::{FlowKey, Service, ServiceKey, protocol};
use crate::reason::Reason;
use crate::wire::ethernet;
use family::{Family, V4, V6};
use parse::LinkHeader;

/// Treats one received frame: sees to its bytes and says what becomes of it. What
/// [`Outcome::Passed`] leaves to the kernel is untouched.
///
/// [`Outcome::Passed`]: crate::reason::Outcome::Passed
#[inline(always)]
pub fn process<F: Frame, E: Env>(frame: &mut F, env: &E, scratch: &mut Scratch) -> Verdict {
    let link = match parse::link(frame) {
        Ok(link) => link,
        Err(reason) => return reason.into(),
    };
    scratch.packet.l3 = link.length;
    match link.ethertype {
        ethernet::IPV4 => ip::<V4, F, E>(frame, env, &link, scratch),
        ethernet::IPV6 => ip::<V6, F, E>(frame, env, &link, scratch),
        _ => Reason::NotIp.into(),
    }
}

#[inline(never)]
fn ip<V: Family, F: Frame, E: Env>(
    frame: &mut F,
    env: &E,
    link: &LinkHeader,
    scratch: &mut Scratch,
) -> Verdict {
    let packet = &mut scratch.packet;
    if let Err(reason) = V::parse::<F, false>(frame, packet) {
        return reason.into();
    }
    if packet.protocol() == V::ICMP {
        return icmp::process::<V, F, E>(frame, env, scratch);
    }
    if packet.protocol() != protocol::TCP && packet.protocol() != protocol::UDP {
        return Reason::OtherProtocol.into();
    }
    let verdict = if packet.fragment.is_whole() {
        whole::<V, F, E>(frame, env, scratch)
    } else {
        fragment::process::<V, F, E>(frame, env, packet)
    };
    if verdict.reason == Reason::FlowReset {
        reset::send::<V, F>(frame, link, &scratch.packet).into()
    } else if verdict.wants_answer() {
        answer::send::<V, F, E>(frame, env, link, scratch, &verdict).into()
    } else {
        verdict
    }
}

#[inline(always)]
fn whole<V: Family, F: Frame, E: Env>(frame: &mut F, env: &E, scratch: &mut Scratch) -> Verdict {
    if let Err(reason) = parse::transport(frame, &mut scratch.packet) {
        return reason.into();
    }
    let key = &scratch.packet.key;
    if let Some(service) = service_of(env, key) {
        return request::<V, F, E>(frame, env, service, scratch);
    }
    // One bit tells nearly all strangers from NAT servers' replies, without a second look-up.
    if env.is_nat_source(&key.source, key.source_port, key.protocol) {
        return reply::to_client::<V, F, E>(frame, env, &scratch.packet);
    }
    Reason::NotForService.into()
}

/// From a client to a service.
#[inline(never)]
fn request<V: Family, F: Frame, E: Env>(
    frame: &mut F,
    env: &E,
    service: &Service,
    scratch: &mut Scratch,
) -> Verdict {
    let mut send = || {
        if V::is_bogus_source(scratch.packet.source()) {
            return Err(Reason::BogusSource.into());
        }
        let now = env.now();
        let choice = flow::choose(env, service, now, scratch)?;
        if choice.entry == flow::Entry::Reset {
            return Err(track::reset(env, choice.server, now, scratch).into());
        }
        let server = env.server(choice.server).ok_or(Reason::ServerGone)?;
        forward::check(&scratch.packet, server)?;
        track::keep(env, service, &choice, now, scratch)?;
        if service.persist != 0 {
            persist::follow(env, service, &choice, now, scratch);
        }
        let packet = &scratch.packet;
        let new = choice.entry == flow::Entry::New;
        env.count_in(service.id, choice.server, packet.length as u64, new);
        let nat = |frame: &mut F| forward::nat::<V, F>(frame, packet, server);
        forward::to_server::<V, F>(frame, packet, server, nat, Reason::ToServer)
    };
    Verdict::of(send())
}

/// The service that a whole packet is addressed to. Port 0 is no service's: what the map has there
/// is for fragments.
#[inline(always)]
fn service_of<'a, E: Env>(env: &'a E, key: &FlowKey) -> Option<&'a Service> {
    if key.destination_port == 0 {
        return None;
    }
    env.service(&service_key(key))
}

/// Where a packet is addressed to.
#[inline(always)]
fn service_key(key: &FlowKey) -> ServiceKey {
    ServiceKey::new(key.destination, key.destination_port, key.protocol)
}
