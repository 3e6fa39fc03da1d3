//! What happens to servers.

use crate::dataplane::World;
use anyhow::{Result, bail};
use lb_common::abi::server_flags;

/// Changes a server as user space would, by the word for it.
pub(super) fn server(world: &mut World, index: usize, change: &str) -> Result<()> {
    let server = &mut world.servers[index];
    match change {
        "gone" => server.flags &= !server_flags::PRESENT,
        "unresolved" => server.flags &= !server_flags::RESOLVED,
        "local" => server.flags |= server_flags::LOCAL,
        "replaced" => server.generation += 1,
        "drained" => drain(world, index as u32),
        "leaving" => {
            server.flags |= server_flags::LEAVING;
            drain(world, index as u32);
        }
        "resets" => {
            server.flags |= server_flags::LEAVING | server_flags::RESETS;
            drain(world, index as u32);
        }
        other => bail!("{other:?} happens to no server"),
    }
    Ok(())
}

/// Gives the server's slots to another one of its service, as user space does at weight 0.
fn drain(world: &mut World, index: u32) {
    for (_, service) in &mut world.services {
        let slots = service.table as usize..(service.table + service.slots) as usize;
        let slots = &mut world.slots[slots];
        if !slots.contains(&index) {
            continue;
        }
        match slots.iter().copied().find(|other| *other != index) {
            Some(other) => slots.iter_mut().filter(|s| **s == index).for_each(|s| *s = other),
            None => service.slots = 0,
        }
    }
}
