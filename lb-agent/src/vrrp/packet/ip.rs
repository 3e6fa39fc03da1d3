use super::{Discard, PROTOCOL};
use lb_common::wire::ipv4::{HEADER, Ipv4};
use std::net::IpAddr;
use zerocopy::FromBytes;

/// A message and what its IP header told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// To whom: a multicast group or this node; of the source's family.
    pub destination: IpAddr,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
    /// What follows the IP header.
    pub message: &'a [u8],
}

impl<'a> Received<'a> {
    /// Takes apart what a raw IPv4 socket gives: header, options and message. (A raw IPv6 socket
    /// gives the message alone, and the rest beside it.)
    pub fn from_ipv4(packet: &'a [u8]) -> Result<Self, Discard> {
        let (header, _) = Ipv4::ref_from_prefix(packet).map_err(|_| Discard::Truncated)?;
        let length = usize::from(header.version_length & 0x0f) * 4;
        if header.version_length >> 4 != 4 || length < HEADER || header.protocol != PROTOCOL {
            return Err(Discard::Truncated);
        }
        // Beyond its total length a packet has the padding of a short frame.
        let total = usize::from(header.total_length.get());
        let message = packet.get(length..total).ok_or(Discard::Truncated)?;
        Ok(Self {
            source: header.source.into(),
            destination: header.destination.into(),
            ttl: header.ttl,
            message,
        })
    }
}
