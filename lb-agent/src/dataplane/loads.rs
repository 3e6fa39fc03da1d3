use super::mapped::Mapped;
use aya::maps::MapData;
use std::{
    io,
    sync::atomic::{AtomicI64, Ordering},
};

/// Live connections of the servers of services that have them counted, by server index; the data
/// plane counts on meanwhile.
pub struct Loads(Mapped<AtomicI64>);

impl Loads {
    /// Maps an array of i64.
    pub(super) fn open(map: &MapData, servers: u32) -> io::Result<Self> {
        Mapped::open(map, 0, servers).map(Self)
    }

    /// A server's live connections; 0 for an index beyond the map. Below 0 when a connection ends
    /// that was taken out before.
    pub fn get(&self, server: u32) -> i64 {
        self.number(server).map_or(0, |load| load.load(Ordering::Relaxed))
    }

    /// Of all servers, by index.
    pub fn all(&self) -> Vec<i64> {
        self.0.numbers().iter().map(|load| load.load(Ordering::Relaxed)).collect()
    }

    /// Adds to a server's live connections what flows that expired or were evicted left wrong in
    /// them; see [`lb_common::abi::Flow::is_load`].
    pub fn correct(&self, server: u32, delta: i64) {
        if let Some(load) = self.number(server) {
            load.fetch_add(delta, Ordering::Relaxed);
        }
    }

    /// Sets a server's live connections to 0.
    pub(super) fn reset(&self, server: u32) {
        if let Some(load) = self.number(server) {
            load.store(0, Ordering::Relaxed);
        }
    }

    fn number(&self, server: u32) -> Option<&AtomicI64> {
        self.0.numbers().get(server as usize)
    }
}
