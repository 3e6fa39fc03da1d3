#![expect(unsafe_code, reason = "the slots map is shared memory with the kernel")]

use aya::maps::MapData;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::{
    ffi::c_void,
    io,
    num::NonZeroUsize,
    os::fd::AsFd,
    ptr::NonNull,
    slice,
    sync::atomic::{AtomicU32, Ordering},
};

/// How far apart values lie, in u32: the kernel rounds their size up to 8 bytes
/// (`array_map_alloc` in kernel/bpf/arraymap.c).
const STRIDE: usize = 2;

/// The slots map in this process's memory: a table is written without a system call.
pub(super) struct Slots {
    memory: NonNull<c_void>,
    slots: usize,
}

impl Slots {
    /// Maps an array of u32 that was made with `BPF_F_MMAPABLE`.
    pub(super) fn open(map: &MapData, slots: u32) -> io::Result<Self> {
        let slots = slots as usize;
        let length = NonZeroUsize::new(bytes(slots))
            .ok_or_else(|| io::Error::other("the slots map is empty"))?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, of a file that nobody can shrink.
        let memory =
            unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, map.fd().as_fd(), 0)? };
        Ok(Self { memory, slots })
    }

    pub(super) fn len(&self) -> usize {
        self.slots
    }

    /// Writes a run of slots; refuses one that reaches beyond the map.
    pub(super) fn write(&mut self, start: u32, values: &[u32]) -> io::Result<()> {
        let start = start as usize;
        let run = start
            .checked_add(values.len())
            .filter(|end| *end <= self.slots)
            .map(|end| &self.shared()[start * STRIDE..end * STRIDE])
            .ok_or_else(|| io::Error::other("a table beyond the slots map"))?;
        for (slot, value) in run.iter().step_by(STRIDE).zip(values) {
            slot.store(*value, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Reads the part of a run of slots that is within the map, to the same place in `image`.
    pub(super) fn copy(&self, start: u32, slots: u32, image: &mut [u32]) {
        let from = self.shared().iter().step_by(STRIDE).zip(image);
        let from = from.skip(start as usize).take(slots as usize);
        for (slot, copy) in from {
            *copy = slot.load(Ordering::Relaxed);
        }
    }

    fn shared(&self) -> &[AtomicU32] {
        // SAFETY: mapped as long as self lives, page-aligned and of this length; the kernel and
        // other processes access it too, hence atomics.
        unsafe { slice::from_raw_parts(self.memory.cast().as_ptr(), self.slots * STRIDE) }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: the mapping of `open`, and no reference to it outlives self. An error leaves it
        // mapped, which harms nobody.
        let _ = unsafe { munmap(self.memory, bytes(self.slots)) };
    }
}

fn bytes(slots: usize) -> usize {
    slots * STRIDE * size_of::<u32>()
}
