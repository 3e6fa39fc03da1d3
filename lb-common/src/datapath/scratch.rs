use super::answer::Answers;
use super::packet::Packet;
use crate::abi::{Address, Flow, FlowKey, direction, state};

/// Working memory of a CPU: what is too large for the kernel's stack of 512 bytes. What lies
/// here is a plain number to the verifier, so that it does not walk through the program once for
/// every way by which an offset can come about.
#[derive(Debug)]
#[repr(C, align(8))]
pub struct Scratch {
    /// The packet.
    pub(super) packet: Packet,
    /// The packet that an ICMP error quotes.
    pub(super) quoted: Packet,
    /// A flow to be written down.
    pub(super) flow: Flow,
    /// The key of a NAT server's packets.
    pub(super) reply_key: FlowKey,
    /// The key of a client's persistence template.
    pub(super) template_key: FlowKey,
    /// Kept from frame to frame: the ICMP errors sent in this second.
    pub(super) answers: Answers,
}

impl Scratch {
    /// Memory with nothing of meaning in it.
    pub const fn new() -> Self {
        const KEY: FlowKey = FlowKey::of_addresses(Address::UNSPECIFIED, Address::UNSPECIFIED, 0);
        Self {
            packet: Packet::at(0),
            quoted: Packet::at(0),
            flow: Flow {
                virtual_address: Address::UNSPECIFIED,
                server: 0,
                generation: 0,
                service: 0,
                seen: 0,
                timeout: 0,
                virtual_port: 0,
                state: state::SYN,
                direction: direction::REQUEST,
            },
            reply_key: KEY,
            template_key: KEY,
            answers: Answers::NONE,
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
