use super::PROTOCOL;
use lb_common::{abi::Address, wire::checksum::Sum};
use std::net::IpAddr;

/// The checksum, in the order of its bytes on the wire, of a message whose own is zero; over the
/// true one it is zero. With the ends of the packet it includes the pseudo-header (RFC 8200,
/// section 8.1; for IPv4 as RFC 9293, section 3.1, has it).
pub(super) fn checksum(message: &[u8], pseudo: Option<(IpAddr, IpAddr)>) -> [u8; 2] {
    let mut sum = Sum::ZERO;
    if let Some((source, destination)) = pseudo {
        for end in [source, destination] {
            sum = match end {
                IpAddr::V4(end) => sum.add(u32::from_ne_bytes(end.octets())),
                IpAddr::V6(_) => sum.add_address(&Address::from(end)),
            };
        }
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        sum = sum.add(length.to_be().into()).add(u16::from(PROTOCOL).to_be().into());
    }
    let (words, rest) = message.as_chunks::<2>();
    for &word in words {
        sum = sum.add(u16::from_ne_bytes(word).into());
    }
    if let &[last] = rest {
        sum = sum.add(u16::from_ne_bytes([last, 0]).into());
    }
    sum.checksum().to_ne_bytes()
}

/// Whether a message's checksum is right.
pub(super) fn holds(message: &[u8], pseudo: Option<(IpAddr, IpAddr)>) -> bool {
    checksum(message, pseudo) == [0, 0]
}
