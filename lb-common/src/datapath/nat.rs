//! Rewriting one end of a packet.

use super::Frame;
use super::family::Family;
use super::packet::End;
use super::packet::Packet;
use crate::abi::{Address, protocol};
use crate::reason::Reason;
use crate::wire::checksum::Sum;
use crate::wire::raw;
use crate::wire::transport::{Ports, Tcp, Udp};

/// Gives one end of a whole packet of TCP or UDP a new address and port (network order), and
/// brings all checksums up to date.
#[inline(always)]
pub(super) fn rewrite<V: Family, F: Frame>(
    frame: &mut F,
    packet: &Packet,
    end: End,
    address: &Address,
    port: u16,
) -> Result<(), Reason> {
    let (old_address, old_port) = match end {
        End::Source => (&packet.key.source, packet.key.source_port),
        End::Destination => (&packet.key.destination, packet.key.destination_port),
    };
    let change = Sum::ZERO.replace_address(old_address, address);
    V::set_address(frame.at(packet.l3)?, end, address, change);

    let change = change.replace(old_port, port);
    if packet.key.protocol == protocol::TCP {
        let header: &mut Tcp = frame.at(packet.payload)?;
        set_port(&mut header.ports, end, port);
        header.checksum = raw::U16::new(change.update(header.checksum.get()));
    } else {
        let header: &mut Udp = frame.at(packet.payload)?;
        set_port(&mut header.ports, end, port);
        let old = header.checksum.get();
        if old != 0 {
            header.checksum = raw::U16::new(never_zero(change.update(old)));
        }
    }
    Ok(())
}

/// Writes one end's port.
#[inline(always)]
pub(super) fn set_port(ports: &mut Ports, end: End, port: u16) {
    match end {
        End::Source => ports.source = raw::U16::new(port),
        End::Destination => ports.destination = raw::U16::new(port),
    }
}

/// A UDP checksum of 0 would mean that there is none (RFC 768).
#[inline(always)]
fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}
