use crate::reason::Reason;
use crate::wire::Wire;

/// A received frame, from its link-layer header on: the only way to its bytes.
pub trait Frame {
    /// Its length in bytes.
    fn length(&self) -> usize;

    /// The header at an offset; [`Reason::Truncated`] unless all of it lies within the frame.
    fn at<T: Wire>(&mut self, offset: usize) -> Result<&mut T, Reason>;

    /// Adds `by` bytes of any content in front, or takes `-by` away;
    /// [`Reason::NoHeadroom`] where that cannot be.
    fn grow_head(&mut self, by: isize) -> Result<(), Reason>;

    /// Cuts the frame off after `len` bytes, which it has; [`Reason::NoHeadroom`] where that
    /// cannot be.
    fn truncate(&mut self, len: usize) -> Result<(), Reason>;
}
