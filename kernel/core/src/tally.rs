//! Counts of one domain, in a slot that others use after it.
//!
//! Who counts may be late: a proxy goes when its callee is dead, and the slot may have
//! its next domain at any moment. So what is counted says for which generation.
//!
//! **Invariant:** what is counted for one generation is not seen in another.

use crate::sync::SpinLock;

/// A count of one generation of a slot.
#[derive(Debug)]
pub struct Tally(SpinLock<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    generation: u64,
    count: u64,
}

impl Tally {
    crate::atomic::const_fn! {
        /// Nobody's.
        pub fn new() -> Self {
            Self(SpinLock::new(State {
                generation: 0,
                count: 0,
            }))
        }
    }

    /// Counts for a new generation from now on, beginning with 0.
    pub fn begin(&self, generation: u64) {
        *self.0.lock() = State {
            generation,
            count: 0,
        };
    }

    /// Adds to a generation's count, unless that is over; the count before.
    pub fn add(&self, generation: u64, more: u64) -> u64 {
        self.change(generation, |count| count + more)
    }

    /// Adds to a generation's count if that does not exceed `limit` then; whether it
    /// did. If the generation is over there is nothing to exceed.
    pub fn add_within(&self, generation: u64, more: u64, limit: u64) -> bool {
        let mut state = self.0.lock();
        if state.generation != generation {
            return true;
        }
        let sum = state.count.checked_add(more).filter(|sum| *sum <= limit);
        state.count = sum.unwrap_or(state.count);
        sum.is_some() || more == 0
    }

    /// Takes one from a generation's count, unless that is over.
    pub fn take_one(&self, generation: u64) {
        self.take(generation, 1);
    }

    /// Takes from a generation's count, unless that is over.
    pub fn take(&self, generation: u64, less: u64) {
        self.change(generation, |count| count.saturating_sub(less));
    }

    fn change(&self, generation: u64, to: impl FnOnce(u64) -> u64) -> u64 {
        let mut state = self.0.lock();
        let before = state.count;
        if state.generation == generation {
            state.count = to(before);
        }
        before
    }

    /// The count, of whatever generation is there now.
    pub fn get(&self) -> u64 {
        self.0.lock().count
    }
}
