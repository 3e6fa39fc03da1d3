use super::mapped::Mapped;
use aya::maps::MapData;
use std::{
    io,
    sync::atomic::{AtomicU32, Ordering},
};

/// How far apart slots lie.
const STRIDE: usize = Mapped::<AtomicU32>::STRIDE;

/// The slots map: a table is written without a system call.
pub(super) struct Slots(Mapped<AtomicU32>);

impl Slots {
    /// Maps an array of u32.
    pub(super) fn open(map: &MapData, slots: u32) -> io::Result<Self> {
        Mapped::open(map, slots).map(Self)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes a run of slots; refuses one that reaches beyond the map.
    pub(super) fn write(&mut self, start: u32, values: &[u32]) -> io::Result<()> {
        let start = start as usize;
        let run = start
            .checked_add(values.len())
            .filter(|end| *end <= self.len())
            .map(|end| &self.0.numbers()[start * STRIDE..end * STRIDE])
            .ok_or_else(|| io::Error::other("a table beyond the slots map"))?;
        for (slot, value) in run.iter().step_by(STRIDE).zip(values) {
            slot.store(*value, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Reads the part of a run of slots that is within the map, to the same place in `image`.
    pub(super) fn copy(&self, start: u32, slots: u32, image: &mut [u32]) {
        let from = self.0.numbers().iter().step_by(STRIDE).zip(image);
        let from = from.skip(start as usize).take(slots as usize);
        for (slot, copy) in from {
            *copy = slot.load(Ordering::Relaxed);
        }
    }
}
