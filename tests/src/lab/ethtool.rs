//! Offloads: veth made to behave like a wire.

use std::io;

use super::sys;

/// Makes an end of a veth pair carry what a wire would carry, as XDP needs it: full checksums, one
/// segment a frame, VLAN tags inside the frame. So every transmit offload is off. GRO is on,
/// because frames that the peer's XDP program sends vanish otherwise (the veth driver polls only
/// with a program of its own or with GRO).
pub(super) fn make_wire_like(interface: &str) -> io::Result<()> {
    let names = sys::feature_names(interface)?;
    let mut change: Vec<(u32, u32)> = sys::features(interface, names.len())?
        .iter()
        .map(|block| (block.changeable, block.active))
        .collect();
    for (bit, name) in names.iter().enumerate() {
        let (block, mask) = (bit / 32, 1 << (bit % 32));
        let (changeable, on) = &mut change[block];
        match name.as_str() {
            "rx-gro" => *on |= mask,
            name if name.starts_with("tx-") => *on &= !mask,
            _ => *changeable &= !mask,
        }
    }
    sys::set_features(interface, &change)
}

/// The names of the features that are on.
pub(super) fn active(interface: &str) -> io::Result<Vec<String>> {
    let names = sys::feature_names(interface)?;
    let blocks = sys::features(interface, names.len())?;
    let on = |bit: usize| blocks[bit / 32].active & 1 << (bit % 32) != 0;
    Ok(names.into_iter().enumerate().filter(|&(bit, _)| on(bit)).map(|(_, name)| name).collect())
}
