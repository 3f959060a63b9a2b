//! Lanes: each call that may not be made twice has one of its own.
//!
//! A call takes the lowest free lane and gives it back when it ends, so a program
//! has as many lanes as it ever made such calls at once, and one without threads
//! has one.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use interfaces::process::{LANE_MAX, Lane};
use runtime::thread;

/// The lanes of this process.
#[derive(Debug)]
pub struct Lanes {
    /// Those that are taken, a bit each.
    taken: AtomicU32,
    /// Calls of each that were answered and count. Whoever has taken the lane
    /// changes its own.
    answered: [AtomicU64; LANE_MAX],
}

const _: () = assert!(LANE_MAX == u32::BITS as usize, "a bit for each lane");

impl Lanes {
    /// Lanes without calls.
    pub const fn new() -> Self {
        Self {
            taken: AtomicU32::new(0),
            answered: [const { AtomicU64::new(0) }; LANE_MAX],
        }
    }

    /// Takes a lane.
    #[inline]
    pub fn take(&self) -> Taken<'_> {
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            let number = taken.trailing_ones();
            let Some(answered) = self.answered.get(number as usize) else {
                // A process may not have so many threads.
                thread::yield_now();
                taken = self.taken.load(Ordering::Relaxed);
                continue;
            };
            let with_this = taken | 1 << number;
            match self.taken.compare_exchange_weak(
                taken,
                with_this,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    return Taken {
                        lanes: self,
                        lane: Lane(number),
                        answered,
                    };
                }
                Err(now) => taken = now,
            }
        }
    }
}

/// A lane that nobody else has until this is dropped.
pub struct Taken<'a> {
    lanes: &'a Lanes,
    lane: Lane,
    answered: &'a AtomicU64,
}

impl Taken<'_> {
    /// Its number.
    #[inline]
    pub const fn lane(&self) -> Lane {
        self.lane
    }

    /// How many calls of it were answered and count.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Counts one more.
    #[inline]
    pub fn count(&self) {
        let answered = self.answered.load(Ordering::Relaxed);
        self.answered.store(answered + 1, Ordering::Relaxed);
    }
}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        let others = !(1 << self.lane.0);
        self.lanes.taken.fetch_and(others, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn the_lowest_free_one_with_its_own_count() {
        let lanes = Lanes::new();
        let (first, second) = (lanes.take(), lanes.take());
        assert_eq!((first.lane(), second.lane()), (Lane(0), Lane(1)));
        second.count();
        drop(first);
        let third = lanes.take();
        assert_eq!((third.lane(), third.answered()), (Lane(0), 0));
        drop((second, third));
        let (_first, second) = (lanes.take(), lanes.take());
        assert_eq!((second.lane(), second.answered()), (Lane(1), 1));
    }

    #[test]
    fn each_for_itself_among_threads() {
        const ROUNDS: u64 = 20_000;
        const THREADS: usize = 8;
        let (lanes, start) = (Lanes::new(), Barrier::new(THREADS));
        let users: Vec<AtomicU32> = (0..LANE_MAX).map(|_| AtomicU32::new(0)).collect();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..ROUNDS {
                        let taken = lanes.take();
                        let user = &users[taken.lane().0 as usize];
                        assert_eq!(user.fetch_add(1, Ordering::SeqCst), 0);
                        taken.count();
                        user.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        let counts = lanes.answered.iter().map(|one| one.load(Ordering::SeqCst));
        assert_eq!(counts.sum::<u64>(), ROUNDS * THREADS as u64);
        assert_eq!(lanes.answered[THREADS].load(Ordering::SeqCst), 0);
    }
}
