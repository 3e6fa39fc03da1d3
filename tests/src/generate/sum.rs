//! Internet checksums by etherparse, which knows nothing of this project's own.

use etherparse::checksum::Sum16BitWords;
use std::net::IpAddr;

/// The checksum of several pieces, of which only the last may be of odd length. 0 if the pieces
/// hold a right checksum already.
pub fn checksum(pieces: &[&[u8]]) -> u16 {
    let sum = pieces.iter().fold(Sum16BitWords::new(), |sum, piece| sum.add_slice(piece));
    sum.ones_complement().to_be()
}

/// The checksum of a TCP, UDP or ICMPv6 message and its pseudo-header (RFC 9293, section 3.1;
/// RFC 8200, section 8.1).
pub fn with_pseudo_header(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    message: &[u8],
) -> u16 {
    let length = (message.len() as u32).to_be_bytes();
    checksum(&[&octets(source), &octets(destination), &length, &[0, protocol], message])
}

/// An address as it lies on the wire.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
