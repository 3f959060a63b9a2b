//! Ranges of physical memory: what is RAM, and what of it is free.

use kernel_core::machine::PhysicalRange;

/// Bytes of a page.
pub const PAGE: u64 = abi::PAGE_SIZE as u64;
/// Ranges a list holds; more are left out, which only loses memory.
const CAPACITY: usize = 64;

/// A list of disjoint ranges.
#[derive(Clone, Copy)]
pub struct Ranges {
    ranges: [PhysicalRange; CAPACITY],
    count: usize,
}

impl Ranges {
    /// No memory.
    pub const fn new() -> Self {
        Self {
            ranges: [PhysicalRange { start: 0, end: 0 }; CAPACITY],
            count: 0,
        }
    }

    /// The ranges, in no particular order.
    pub fn as_slice(&self) -> &[PhysicalRange] {
        &self.ranges[..self.count]
    }

    /// Bytes in all ranges.
    pub fn total(&self) -> u64 {
        self.as_slice()
            .iter()
            .map(|range| range.end - range.start)
            .sum()
    }

    /// Adds a range; what overlaps with one in the list is not added twice.
    pub fn add(&mut self, range: PhysicalRange) {
        self.remove(range);
        if range.start < range.end && self.count < CAPACITY {
            self.ranges[self.count] = range;
            self.count += 1;
        }
    }

    /// Takes a range out.
    pub fn remove(&mut self, hole: PhysicalRange) {
        if hole.start >= hole.end {
            return;
        }
        let old = *self;
        self.count = 0;
        for range in old.as_slice() {
            self.push(range.start, range.end.min(hole.start.max(range.start)));
            self.push(range.start.max(hole.end.min(range.end)), range.end);
        }
    }

    /// Shrinks every range to whole pages.
    pub fn trim_to_pages(&mut self) {
        let old = *self;
        self.count = 0;
        for range in old.as_slice() {
            if let Some(start) = range.start.checked_next_multiple_of(PAGE) {
                self.push(start, range.end & !(PAGE - 1));
            }
        }
    }

    /// Takes `pages` contiguous pages that end at or below `limit` out of the
    /// list, which must consist of whole pages. The highest such place is
    /// taken, away from where fixed addresses are.
    pub fn take(&mut self, pages: u64, limit: u64) -> Option<u64> {
        let size = pages * PAGE;
        let end = self
            .as_slice()
            .iter()
            .map(|range| (range.start, range.end.min(limit & !(PAGE - 1))))
            .filter(|&(start, end)| end.saturating_sub(start) >= size)
            .map(|(_, end)| end)
            .max()?;
        self.remove(PhysicalRange {
            start: end - size,
            end,
        });
        Some(end - size)
    }

    fn push(&mut self, start: u64, end: u64) {
        if start < end && self.count < CAPACITY {
            self.ranges[self.count] = PhysicalRange { start, end };
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ranges: &[(u64, u64)]) -> Ranges {
        let mut list = Ranges::new();
        ranges
            .iter()
            .for_each(|&(start, end)| list.add(PhysicalRange { start, end }));
        list
    }

    fn sorted(list: &Ranges) -> Vec<(u64, u64)> {
        let mut ranges: Vec<_> = list.as_slice().iter().map(|r| (r.start, r.end)).collect();
        ranges.sort_unstable();
        ranges
    }

    #[test]
    fn holes_are_cut() {
        let full = list(&[(10, 20), (30, 40)]);
        for (hole, expected) in [
            ((0, 50), vec![]),
            ((12, 14), vec![(10, 12), (14, 20), (30, 40)]),
            ((15, 35), vec![(10, 15), (35, 40)]),
            ((20, 30), vec![(10, 20), (30, 40)]),
            ((25, 25), vec![(10, 20), (30, 40)]),
            ((0, 10), vec![(10, 20), (30, 40)]),
            ((35, 90), vec![(10, 20), (30, 35)]),
        ] {
            let mut cut = full;
            cut.remove(PhysicalRange {
                start: hole.0,
                end: hole.1,
            });
            assert_eq!(sorted(&cut), expected, "without {hole:?}");
        }
    }

    #[test]
    fn overlaps_count_once() {
        assert_eq!(list(&[(10, 20), (15, 30)]).total(), 20);
    }

    #[test]
    fn pages_are_taken_from_the_top_below_the_limit() {
        let mut memory = list(&[(PAGE, 9 * PAGE), (20 * PAGE, 22 * PAGE)]);
        assert_eq!(memory.take(3, u64::MAX), Some(6 * PAGE));
        assert_eq!(memory.take(2, u64::MAX), Some(20 * PAGE));
        assert_eq!(memory.take(1, 4 * PAGE + 5), Some(3 * PAGE));
        assert_eq!(memory.take(3, u64::MAX), None);
        assert_eq!(memory.total(), 4 * PAGE);
    }

    #[test]
    fn partial_pages_are_dropped() {
        let mut memory = list(&[(1, 3 * PAGE - 1), (5 * PAGE + 1, 6 * PAGE)]);
        memory.trim_to_pages();
        assert_eq!(sorted(&memory), [(PAGE, 2 * PAGE)]);
    }
}
