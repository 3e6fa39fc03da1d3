#![expect(
    unsafe_code,
    reason = "system calls that no crate at hand wraps, and tokio's registration of descriptors"
)]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    thread,
    time::Duration,
};
use tokio::io::{Interest, unix::AsyncFd};
use zerocopy::{FromBytes, IntoBytes};

/// Entries asked for at a time.
const BATCH: u32 = 4096;

/// The longest key that a batch's cursor has room for.
const CURSOR: usize = 64;

/// `union bpf_attr`, the part for the batch commands (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;

/// Visits all entries of an array or hash map (not a per-CPU one) with a system call for some
/// thousands of them. Entries that come or go meanwhile may be missed; none is visited twice.
pub(super) fn visit<K, V>(map: BorrowedFd<'_>, mut each: impl FnMut(&K, &V)) -> io::Result<()>
where
    K: FromBytes + IntoBytes + Clone,
    V: FromBytes + IntoBytes + Clone,
{
    const { assert!(size_of::<K>() <= CURSOR) };
    let mut room = BATCH;
    let mut keys = vec![K::new_zeroed(); room as usize];
    let mut values = vec![V::new_zeroed(); room as usize];
    let mut from: Option<[u64; CURSOR / 8]> = None;
    loop {
        let mut next = [0u64; CURSOR / 8];
        let mut attr = BatchAttr {
            in_batch: from.as_ref().map_or(0, |cursor| cursor.as_ptr() as u64),
            out_batch: next.as_mut_ptr() as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: room,
            map_fd: map.as_raw_fd() as u32,
            ..BatchAttr::default()
        };
        // SAFETY: all pointers lead to memory that lives across the call; `count` is what keys
        // and values have room for, and any bytes that the kernel writes make a K or a V.
        let result = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                BPF_MAP_LOOKUP_BATCH,
                &raw mut attr,
                size_of::<BatchAttr>(),
            )
        };
        let error = (result != 0).then(io::Error::last_os_error);
        match error.as_ref().and_then(io::Error::raw_os_error) {
            // ENOENT: these are the last.
            None | Some(libc::ENOENT) => {
                for (key, value) in keys.iter().zip(&values).take(attr.count as usize) {
                    each(key, value);
                }
                if error.is_some() {
                    return Ok(());
                }
                from = Some(next);
            }
            // A hash bucket holds more than fits.
            Some(libc::ENOSPC) if room < u32::MAX / 2 => {
                room *= 2;
                keys.resize(room as usize, K::new_zeroed());
                values.resize(room as usize, V::new_zeroed());
            }
            Some(libc::EINTR) => {}
            Some(_) => return Err(error.unwrap_or_else(io::Error::last_os_error)),
        }
    }
}

/// A ring buffer that tokio tells of input to. Must be called in a tokio runtime.
pub(super) fn await_input<T: AsFd + AsRawFd>(ring: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: the descriptor is that of a map, which the ring owns and keeps open.
    let registered = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
    registered.map_err(io::Error::from)
}

/// Waits until every program run that is under way now has ended.
pub(super) fn wait_for_programs() {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: takes no pointer. The command is `synchronize_rcu` (kernel/sched/membarrier.c), and
    // XDP programs run as RCU readers.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if result != 0 {
        // Refused with nohz_full. A program run takes microseconds.
        thread::sleep(Duration::from_millis(10));
    }
}
