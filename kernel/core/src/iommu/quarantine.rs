//! Freed frames that a device may still remember, until it has forgotten them.
//!
//! A frame leaves all tables when it is freed, but a device may go on using it by what
//! it remembers of them. To make it forget takes a wait. So frames are kept back, and
//! one wait is for many of them.
//!
//! **Invariant:** no frame that was in a table is free before those that had it forgot.

use core::ops::Range;

const PAGE: u64 = abi::PAGE_SIZE as u64;
/// Most runs of frames that are kept back.
pub const MAX_RUNS: usize = 64;
/// From so many pages on, 4 MiB, they are not kept back longer: 31 buffers of 128 KiB.
const MAX_PAGES: usize = 1024;

/// Tables of pages, and whose frames those are.
pub trait Tables {
    /// Takes frames out of all tables; whether a device may remember one.
    fn close(&mut self, frames: Range<u64>) -> bool;
    /// Makes devices forget what was taken out of their tables.
    fn forget(&mut self);
    /// Frees frames that no device reaches.
    fn free(&mut self, address: u64, pages: usize);
}

/// Frames that are kept back.
#[derive(Debug)]
pub struct Quarantine {
    runs: [(u64, usize); MAX_RUNS],
    count: usize,
    pages: usize,
}

impl Quarantine {
    /// Without a frame.
    pub const fn new() -> Self {
        Self {
            runs: [(0, 0); MAX_RUNS],
            count: 0,
            pages: 0,
        }
    }

    /// Pages that are kept back.
    pub const fn pages(&self) -> usize {
        self.pages
    }

    /// Takes frames out of all tables and frees them, now or later.
    pub fn add(&mut self, tables: &mut impl Tables, address: u64, pages: usize) {
        if !tables.close(address..address + pages as u64 * PAGE) {
            return tables.free(address, pages);
        }
        self.runs[self.count] = (address, pages);
        self.count += 1;
        self.pages += pages;
        if self.count == MAX_RUNS || self.pages >= MAX_PAGES {
            self.release(tables);
        }
    }

    /// Frees all that is kept back.
    pub fn release(&mut self, tables: &mut impl Tables) {
        if self.count == 0 {
            return;
        }
        tables.forget();
        for (address, pages) in &self.runs[..self.count] {
            tables.free(*address, *pages);
        }
        (self.count, self.pages) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    const FRAMES: u64 = 200;

    /// Two devices with what is in their tables and what they remember.
    #[derive(Default)]
    struct Model {
        tables: [BTreeSet<u64>; 2],
        remembered: [BTreeSet<u64>; 2],
        free: BTreeSet<u64>,
        waits: usize,
    }

    impl Tables for Model {
        fn close(&mut self, frames: Range<u64>) -> bool {
            let mut was_there = false;
            for frame in frames.step_by(PAGE as usize) {
                for table in &mut self.tables {
                    was_there |= table.remove(&frame);
                }
            }
            was_there
        }

        fn forget(&mut self) {
            self.waits += 1;
            for (remembered, table) in self.remembered.iter_mut().zip(&self.tables) {
                remembered.clone_from(table);
            }
        }

        fn free(&mut self, address: u64, pages: usize) {
            for page in 0..pages as u64 {
                assert!(self.free.insert(address + page * PAGE), "freed twice");
            }
        }
    }

    impl Model {
        /// Some free frames in a row.
        fn allocate(&mut self, pages: usize) -> Option<u64> {
            let run = |first: u64| (0..pages as u64).map(move |page| first + page * PAGE);
            let mut starts = self.free.iter();
            let start = starts.find(|first| run(**first).all(|frame| self.free.contains(&frame)));
            let start = *start?;
            run(start).for_each(|frame| assert!(self.free.remove(&frame)));
            Some(start)
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Allocate(usize),
        /// Lend a run to a device, which may use it at once.
        Lend(prop::sample::Index, usize, bool),
        Free(prop::sample::Index),
        Release,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1..20_usize).prop_map(Step::Allocate),
            4 => any::<(prop::sample::Index, bool, bool)>()
                .prop_map(|(run, device, uses)| Step::Lend(run, device.into(), uses)),
            4 => any::<prop::sample::Index>().prop_map(Step::Free),
            1 => Just(Step::Release),
        ]
    }

    proptest! {
        #[test]
        fn no_device_reaches_a_frame_that_somebody_else_got(
            steps in prop::collection::vec(step(), 0..300),
        ) {
            let mut model = Model {
                free: (1..FRAMES).map(|frame| frame * PAGE).collect(),
                ..Model::default()
            };
            let mut quarantine = Quarantine::new();
            // Runs with the devices that they were lent to.
            let mut runs: Vec<(u64, usize, [bool; 2])> = Vec::new();
            for step in steps {
                match step {
                    Step::Allocate(pages) => {
                        let start = model.allocate(pages).or_else(|| {
                            quarantine.release(&mut model);
                            model.allocate(pages)
                        });
                        let held: usize = runs.iter().map(|run| run.1).sum();
                        prop_assert!(start.is_some() || held != 0 || pages > 190);
                        runs.extend(start.map(|start| (start, pages, [false; 2])));
                    }
                    Step::Lend(run, device, uses) if !runs.is_empty() => {
                        let (start, pages, lent) = run.get_mut(&mut runs);
                        lent[device] = true;
                        for page in 0..*pages as u64 {
                            let frame = *start + page * PAGE;
                            model.tables[device].insert(frame);
                            if uses {
                                model.remembered[device].insert(frame);
                            }
                        }
                    }
                    Step::Free(run) if !runs.is_empty() => {
                        let (start, pages, _) = runs.swap_remove(run.index(runs.len()));
                        quarantine.add(&mut model, start, pages);
                    }
                    Step::Release => quarantine.release(&mut model),
                    _ => {}
                }
                for device in 0..2 {
                    for reached in model.tables[device].union(&model.remembered[device]) {
                        prop_assert!(!model.free.contains(reached), "a free frame");
                        let holds = |run: &&(u64, usize, [bool; 2])|
                            (run.0..run.0 + run.1 as u64 * PAGE).contains(reached);
                        let holder = runs.iter().find(holds);
                        prop_assert!(holder.is_none_or(|run| run.2[device]), "another's");
                    }
                }
                let held: usize = runs.iter().map(|run| run.1).sum();
                let all = model.free.len() + held + quarantine.pages();
                prop_assert_eq!(all, FRAMES as usize - 1, "nothing is lost");
            }
        }
    }

    #[test]
    fn one_wait_is_for_many_and_none_for_what_was_never_lent() {
        let mut model = Model::default();
        let mut quarantine = Quarantine::new();
        for frame in 0..2 * MAX_RUNS as u64 {
            model.tables[0].insert(frame * PAGE);
            quarantine.add(&mut model, frame * PAGE, 1);
        }
        assert_eq!((model.waits, quarantine.pages()), (2, 0));
        quarantine.add(&mut model, 1 << 30, 9);
        assert_eq!((model.waits, quarantine.pages()), (2, 0));
        model.tables[1].insert(1 << 40);
        quarantine.add(&mut model, 1 << 40, MAX_PAGES);
        assert_eq!((model.waits, quarantine.pages()), (3, 0));
    }
}
