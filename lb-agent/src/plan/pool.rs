/// Numbers below a capacity: given out lowest first, usable again once released.
pub(super) struct Pool {
    used: Vec<bool>,
    /// All numbers below this one are used.
    lowest: u32,
    /// Given back, but packets in flight may still mean the last user.
    retired: Vec<u32>,
}

impl Pool {
    pub(super) fn new(capacity: u32) -> Self {
        Self { used: vec![false; capacity as usize], lowest: 0, retired: Vec::new() }
    }

    pub(super) fn capacity(&self) -> u32 {
        self.used.len() as u32
    }

    pub(super) fn in_use(&self) -> u64 {
        self.used.iter().filter(|used| **used).count() as u64
    }

    /// Marks a number that is in use already; one beyond the capacity is none.
    pub(super) fn mark(&mut self, number: u32) {
        if let Some(used) = self.used.get_mut(number as usize) {
            *used = true;
        }
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.used).filter(|(_, used)| **used).map(|(number, _)| number)
    }

    pub(super) fn take(&mut self) -> Option<u32> {
        while *self.used.get(self.lowest as usize)? {
            self.lowest += 1;
        }
        self.used[self.lowest as usize] = true;
        Some(self.lowest)
    }

    pub(super) fn retire(&mut self, number: u32) {
        self.retired.push(number);
    }

    /// Makes what was retired free.
    pub(super) fn release(&mut self) {
        for number in self.retired.drain(..) {
            self.used[number as usize] = false;
            self.lowest = self.lowest.min(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;

    #[test]
    fn lowest_first_and_again_only_after_release() {
        let mut pool = Pool::new(4);
        pool.mark(1);
        pool.mark(9);
        assert_eq!(
            [pool.take(), pool.take(), pool.take(), pool.take()],
            [Some(0), Some(2), Some(3), None]
        );
        pool.retire(2);
        assert_eq!(pool.take(), None);
        pool.release();
        assert_eq!([pool.take(), pool.take()], [Some(2), None]);
        assert_eq!(pool.in_use(), 4);
    }
}
