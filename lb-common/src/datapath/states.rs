//! The states of a flow, and how long each lasts.

use crate::abi::{Timeouts, protocol, state};
use crate::wire::transport::tcp;

/// Whether a segment asks for a connection.
#[inline(always)]
pub(super) fn begins_connection(tcp_flags: u8) -> bool {
    tcp_flags & (tcp::SYN | tcp::ACK | tcp::RST) == tcp::SYN
}

/// The state of a flow that begins with these flags.
#[inline(always)]
pub(super) fn first_state(tcp_flags: u8) -> u8 {
    if begins_connection(tcp_flags) { state::SYN } else { state::NEW }
}

/// The client's half of TCP's states (RFC 9293, section 3.3.2), as a director sees it that may
/// not see the other half.
#[inline(always)]
pub(super) fn next_state(current: u8, tcp_flags: u8) -> u8 {
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
pub(super) fn next_state_of_reply(current: u8, tcp_flags: u8) -> u8 {
    if tcp_flags & (tcp::FIN | tcp::RST) != 0 { next_state(current, tcp_flags) } else { current }
}

/// After how many seconds a flow in a state is forgotten.
#[inline(always)]
pub(super) fn timeout(timeouts: &Timeouts, protocol: u8, state: u8) -> u32 {
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
