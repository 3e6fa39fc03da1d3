#![expect(unsafe_code, reason = "an mmapable map is shared memory with the kernel")]

use aya::maps::MapData;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::{
    ffi::c_void,
    io,
    marker::PhantomData,
    num::NonZeroUsize,
    os::fd::AsFd,
    ptr::NonNull,
    slice,
    sync::atomic::{AtomicI64, AtomicU32},
};

/// An atomic number that a map's value, which the kernel rounds up to 8 bytes (`array_map_alloc` in
/// kernel/bpf/arraymap.c), holds one or several of.
pub(super) trait Atomic {}

impl Atomic for AtomicU32 {}
impl Atomic for AtomicI64 {}

/// A part of an array map that was made with `BPF_F_MMAPABLE`, in this process's memory: read and
/// written without system calls. All of it counts as the process's resident memory.
pub(super) struct Mapped<T> {
    memory: NonNull<c_void>,
    values: usize,
    numbers: PhantomData<T>,
}

impl<T: Atomic> Mapped<T> {
    /// How many numbers lie where one value is.
    pub(super) const STRIDE: usize = VALUE / size_of::<T>();

    /// Maps so many values of at most 8 bytes from the one that `first` numbers, which begins a
    /// page.
    pub(super) fn open(map: &MapData, first: u32, values: u32) -> io::Result<Self> {
        let values = values as usize;
        let offset = libc::off_t::from(first) * VALUE as libc::off_t;
        let length =
            NonZeroUsize::new(values * VALUE).ok_or_else(|| io::Error::other("nothing to map"))?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, of a file that nobody can shrink.
        let memory = unsafe {
            mmap(None, length, protection, MapFlags::MAP_SHARED, map.fd().as_fd(), offset)?
        };
        Ok(Self { memory, values, numbers: PhantomData })
    }

    /// All numbers, [`Self::STRIDE`] to a value.
    pub(super) fn numbers(&self) -> &[T] {
        // SAFETY: mapped as long as self lives, page-aligned and of this length; the kernel and
        // other processes access it too, hence atomics.
        unsafe { slice::from_raw_parts(self.memory.cast().as_ptr(), self.values * Self::STRIDE) }
    }
}

// SAFETY: the mapping belongs to the process, not to a thread, and all access is through atomics.
unsafe impl<T: Atomic + Sync> Send for Mapped<T> {}
// SAFETY: likewise.
unsafe impl<T: Atomic + Sync> Sync for Mapped<T> {}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping of `open`, and no reference to it outlives self. An error leaves it
        // mapped, which harms nobody.
        let _ = unsafe { munmap(self.memory, self.values * VALUE) };
    }
}

/// Bytes from one value to the next.
const VALUE: usize = 8;
