//! The link-layer header of a frame that is sent on.

use super::Frame;
use crate::abi::{Macs, NextHop, Tags};
use crate::reason::Reason;
use crate::wire::ethernet::{self, Ethernet, TagRest};
use crate::wire::{be, raw};

/// Puts a link-layer header for `hop` in front, with room for `outer` bytes between it and the
/// packet that begins at `l3` now. Returns the offset of that room, or of the packet without any.
#[inline(always)]
pub(super) fn readdress<F: Frame>(
    frame: &mut F,
    l3: usize,
    outer: usize,
    ethertype: u16,
    hop: &NextHop,
) -> Result<usize, Reason> {
    let length = ethernet::HEADER + ethernet::TAG * hop.tags.count();
    if length + outer != l3 {
        frame.grow_head((length + outer) as isize - l3 as isize)?;
    }
    write(frame, &hop.tags, ethertype, &hop.macs)?;
    Ok(length)
}

/// Writes a header at the start of the frame.
#[inline(always)]
pub(super) fn write<F: Frame>(
    frame: &mut F,
    tags: &Tags,
    ethertype: u16,
    macs: &Macs,
) -> Result<(), Reason> {
    let [outer, inner] = tags.0;
    let type_of = |tpid: u16| be::U16::new(if tpid != 0 { u16::from_be(tpid) } else { ethertype });
    let header: &mut Ethernet = frame.at(0)?;
    header.set_macs(macs);
    header.ethertype = type_of(outer.tpid);
    if outer.is_some() {
        let rest: &mut TagRest = frame.at(ethernet::HEADER)?;
        *rest = TagRest { tci: raw::U16::new(outer.tci), ethertype: type_of(inner.tpid) };
    }
    if inner.is_some() {
        let rest: &mut TagRest = frame.at(ethernet::HEADER + ethernet::TAG)?;
        *rest = TagRest { tci: raw::U16::new(inner.tci), ethertype: be::U16::new(ethertype) };
    }
    Ok(())
}
