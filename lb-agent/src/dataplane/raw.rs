#![expect(unsafe_code, reason = "aya's Pod is an unsafe trait")]

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// An ABI type as a key or value of aya's typed maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub(super) struct Raw<T>(pub(super) T);

// SAFETY: same layout as T, of which zerocopy proves that it is bytes without padding and that
// any bytes make one.
unsafe impl<T: FromBytes + IntoBytes + Immutable + Copy + 'static> aya::Pod for Raw<T> {}
