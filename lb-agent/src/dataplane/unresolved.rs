use super::sys;
use aya::maps::{MapData, RingBuf};
use lb_common::abi::Neighbor;
use std::io;
use tokio::io::unix::AsyncFd;
use zerocopy::FromBytes;

/// The next hops that the data plane asks for, as they come.
pub struct Unresolved(AsyncFd<RingBuf<MapData>>);

impl Unresolved {
    /// Must be called in a tokio runtime.
    pub(super) fn new(ring: RingBuf<MapData>) -> io::Result<Self> {
        sys::await_input(ring).map(Self)
    }

    /// Waits until there are some, and takes them. May be cancelled.
    ///
    /// # Errors
    /// Those of waiting for a file descriptor; it makes no sense to go on then.
    pub async fn next(&mut self) -> io::Result<Vec<Neighbor>> {
        let mut ready = self.0.readable_mut().await?;
        let mut neighbors = Vec::new();
        while let Some(record) = ready.get_inner_mut().next() {
            neighbors.extend(Neighbor::read_from_prefix(&record).map(|(neighbor, _)| neighbor));
        }
        ready.clear_ready();
        Ok(neighbors)
    }
}
