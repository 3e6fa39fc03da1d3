//! The hashes that choose servers. Directors must agree on them, so there is no seed of chance.

use crate::abi::Address;

/// Hash of one address: the client's for `sh`, and `mh` without ports; the virtual one for `dh`.
#[inline(always)]
pub fn address(address: &Address) -> u32 {
    finish(absorb(address))
}

/// Hash of a client's address and port (network order).
#[inline(always)]
pub fn source_and_port(address: &Address, port: u16) -> u32 {
    finish(mix(absorb(address), port as u64))
}

/// Hash of an address, a port (network order) and a protocol.
#[inline(always)]
pub fn endpoint(address: &Address, port: u16, protocol: u8) -> u32 {
    finish(mix(absorb(address), (protocol as u64) << 16 | port as u64))
}

/// Hash of two addresses: of a packet's fragments, which show no ports.
#[inline(always)]
pub fn addresses(source: &Address, destination: &Address) -> u32 {
    let [high, low] = destination.words();
    finish(mix(mix(absorb(source), high), low))
}

/// Maps a hash to an index below `len` without a division; 0 if `len` is 0.
#[inline(always)]
pub fn index(hash: u32, len: u32) -> u32 {
    ((hash as u64 * len as u64) >> 32) as u32
}

#[inline(always)]
fn absorb(address: &Address) -> u64 {
    let [high, low] = address.words();
    mix(mix(0x2545_f491_4f6c_dd1d, high), low)
}

/// Multiplication carries upwards only; the shift brings the high bits back down.
#[inline(always)]
fn mix(hash: u64, value: u64) -> u64 {
    let product = (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 32)
}

/// Without the second round, neighbouring hosts of an IPv6 network crowd on few servers.
#[inline(always)]
fn finish(hash: u64) -> u32 {
    let hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((hash ^ (hash >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}
