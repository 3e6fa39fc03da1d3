use super::mapped::Mapped;
use aya::maps::MapData;
use std::{
    io,
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
};

/// How far apart slots lie.
const STRIDE: usize = Mapped::<AtomicU32>::STRIDE;

/// Slots that are mapped at a time: whole pages, and few beside the millions that there may be.
const WINDOW: u32 = 1 << 15;

/// The slots map: tables that lie side by side are written without a system call.
pub(super) struct Slots {
    map: MapData,
    slots: u32,
    /// Where the last table was written.
    window: Option<Window>,
}

impl Slots {
    /// An array of so many u32.
    pub(super) fn new(map: MapData, slots: u32) -> Self {
        Self { map, slots, window: None }
    }

    pub(super) fn len(&self) -> u32 {
        self.slots
    }

    /// Writes a run of slots; refuses one that reaches beyond the map.
    pub(super) fn write(&mut self, start: u32, values: &[u32]) -> io::Result<()> {
        let run = u32::try_from(values.len())
            .ok()
            .and_then(|length| start.checked_add(length))
            .filter(|end| *end <= self.slots)
            .map(|end| start..end)
            .ok_or_else(|| io::Error::other("a table beyond the slots map"))?;
        for piece in pieces(run) {
            let window = Window::around(piece.start, self.window.take(), &self.map, self.slots)?;
            let values = values.iter().skip((piece.start - start) as usize);
            for (slot, value) in window.run(&piece).zip(values) {
                slot.store(*value, Ordering::Relaxed);
            }
            self.window = Some(window);
        }
        Ok(())
    }

    /// An image of the map up to the last slot of these runs, with their slots; a run that reaches
    /// beyond the map is left out.
    pub(super) fn read(&self, mut runs: Vec<Range<u32>>) -> io::Result<Vec<u32>> {
        runs.retain(|run| run.end <= self.slots);
        runs.sort_unstable_by_key(|run| run.start);
        let end = runs.iter().map(|run| run.end).max().unwrap_or(0);
        let mut image = vec![0; end as usize];
        let mut last = None;
        for piece in runs.into_iter().flat_map(pieces) {
            let window = Window::around(piece.start, last.take(), &self.map, self.slots)?;
            let copies = image.get_mut(piece.start as usize..piece.end as usize);
            for (copy, slot) in copies.unwrap_or_default().iter_mut().zip(window.run(&piece)) {
                *copy = slot.load(Ordering::Relaxed);
            }
            last = Some(window);
        }
        Ok(image)
    }
}

/// A part of the map that is mapped.
struct Window {
    /// Its first slot, a multiple of [`WINDOW`].
    first: u32,
    memory: Mapped<AtomicU32>,
}

impl Window {
    /// The window that a slot is in: the last one, if it is that.
    fn around(slot: u32, last: Option<Self>, map: &MapData, slots: u32) -> io::Result<Self> {
        let first = slot - slot % WINDOW;
        match last {
            Some(last) if last.first == first => Ok(last),
            _ => {
                let memory = Mapped::open(map, first, WINDOW.min(slots - first))?;
                Ok(Self { first, memory })
            }
        }
    }

    /// The slots of a run that is within the window.
    fn run(&self, run: &Range<u32>) -> impl Iterator<Item = &AtomicU32> {
        let place = |slot: u32| (slot - self.first) as usize * STRIDE;
        let numbers = self.memory.numbers().get(place(run.start)..place(run.end));
        numbers.unwrap_or_default().iter().step_by(STRIDE)
    }
}

/// Parts of a run that are within one window each.
fn pieces(run: Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let mut start = run.start;
    std::iter::from_fn(move || {
        let piece = start..run.end.min((start - start % WINDOW).saturating_add(WINDOW));
        start = piece.end;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::{Range, WINDOW, pieces};

    #[test]
    fn runs_are_cut_where_windows_end() {
        let cut = |start, end| {
            let pieces = pieces(Range { start, end });
            pieces.map(|piece| (piece.start, piece.end)).collect::<Vec<_>>()
        };
        let (last, next) = (WINDOW - 1, 2 * WINDOW);
        assert_eq!(cut(3, 9), [(3, 9)]);
        assert_eq!(cut(last, WINDOW), [(last, WINDOW)]);
        assert_eq!(cut(last, next + 1), [(last, WINDOW), (WINDOW, next), (next, next + 1)]);
        assert!(cut(7, 7).is_empty());
        assert!(cut(9, 7).is_empty());
        assert_eq!(cut(u32::MAX - 1, u32::MAX), [(u32::MAX - 1, u32::MAX)]);
    }
}
