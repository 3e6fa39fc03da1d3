use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// Runs of slots: the smallest free one that is long enough is given out, and a run is usable
/// again once released.
pub(super) struct Runs {
    capacity: u32,
    /// Length by start; neighbours are always joined.
    free: BTreeMap<u32, u32>,
    /// (length, start) of the same runs.
    by_length: BTreeSet<(u32, u32)>,
    /// Given back, but packets in flight may still read them.
    retired: Vec<Range<u32>>,
}

impl Runs {
    /// All slots but those in `used`, which may overlap.
    pub(super) fn new(capacity: u32, mut used: Vec<Range<u32>>) -> Self {
        let mut runs = Self {
            capacity,
            free: BTreeMap::new(),
            by_length: BTreeSet::new(),
            retired: Vec::new(),
        };
        used.sort_unstable_by_key(|run| run.start);
        let mut end = 0;
        for run in used {
            if run.start > end {
                runs.put(end..run.start);
            }
            end = end.max(run.end);
        }
        if end < capacity {
            runs.put(end..capacity);
        }
        runs
    }

    pub(super) fn capacity(&self) -> u32 {
        self.capacity
    }

    pub(super) fn in_use(&self) -> u32 {
        self.capacity - self.free.values().sum::<u32>()
    }

    /// A run of so many slots, more than 0; its start.
    pub(super) fn take(&mut self, length: u32) -> Option<u32> {
        let &(found, start) = self.by_length.range((length, 0)..).next()?;
        self.remove(start, found);
        if found > length {
            self.insert(start + length, found - length);
        }
        Some(start)
    }

    pub(super) fn retire(&mut self, run: Range<u32>) {
        self.retired.push(run);
    }

    /// Makes what was retired free.
    pub(super) fn release(&mut self) {
        for run in std::mem::take(&mut self.retired) {
            self.put(run);
        }
    }

    fn put(&mut self, run: Range<u32>) {
        let Range { mut start, mut end } = run;
        if let Some((&before, &length)) = self.free.range(..start).next_back()
            && before + length == start
        {
            self.remove(before, length);
            start = before;
        }
        if let Some(&length) = self.free.get(&end) {
            self.remove(end, length);
            end += length;
        }
        self.insert(start, end - start);
    }

    fn insert(&mut self, start: u32, length: u32) {
        self.free.insert(start, length);
        self.by_length.insert((length, start));
    }

    fn remove(&mut self, start: u32, length: u32) {
        self.free.remove(&start);
        self.by_length.remove(&(length, start));
    }
}

#[cfg(test)]
mod tests {
    use super::Runs;

    #[test]
    fn takes_the_tightest_run_and_joins_what_is_released() {
        let mut runs = Runs::new(100, vec![10..20, 15..30, 40..50]);
        assert_eq!(runs.in_use(), 30);
        assert_eq!(runs.take(10), Some(0));
        assert_eq!(runs.take(9), Some(30));
        assert_eq!(runs.take(51), None);
        assert_eq!(runs.take(50), Some(50));
        assert_eq!(runs.take(2), None);
        assert_eq!(runs.take(1), Some(39));
        assert_eq!(runs.in_use(), 100);

        runs.retire(39..40);
        runs.retire(50..100);
        runs.retire(40..50);
        assert_eq!(runs.take(1), None);
        runs.release();
        assert_eq!(runs.take(61), Some(39));
        assert_eq!(runs.take(1), None);
    }

    #[test]
    fn nothing_used_is_all_free() {
        assert_eq!(Runs::new(7, vec![]).take(7), Some(0));
        assert_eq!(Runs::new(0, vec![]).take(1), None);
        assert_eq!(Runs::new(7, Vec::from([0..4, 4..7])).take(1), None);
    }
}
