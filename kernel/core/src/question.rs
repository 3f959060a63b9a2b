//! What a CPU is asked about the thread it runs: which dying domains it holds.
//!
//! Asked by who wants to reclaim domains, answered by the CPU's interrupt handler,
//! each at its own time: who asks goes on after a while and asks anew while the last
//! question still waits, or the handler is about it. So a question is one word, the
//! number of a look, and what comes of an answer is noted with that number: late, it
//! says less, and is no lie.

use crate::atomic::{AtomicU64, Ordering, const_fn};

/// A question to one CPU: the number of a look; 0: none is asked.
#[derive(Debug)]
pub struct Question(AtomicU64);

impl Question {
    const_fn! {
        /// None.
        #[must_use]
        pub fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    /// Asks for a look. Who answers sees the deaths that were numbered before it.
    pub fn ask(&self, look: u64) {
        self.0.store(look, Ordering::Release);
    }

    /// Asks no more. The handler may still be about it.
    pub fn withdraw(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Whether the CPU has looked: who asks sees what it noted.
    pub fn is_answered(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    /// Answers, if something is asked: `look_at` looks at the thread and notes what
    /// it holds with the number it is given.
    pub fn answer(&self, look_at: impl FnOnce(u64)) {
        let look = self.0.load(Ordering::Acquire);
        if look == 0 {
            return;
        }
        look_at(look);
        // The next question, if that is already asked, stays.
        let _ = self
            .0
            .compare_exchange(look, 0, Ordering::Release, Ordering::Relaxed);
    }
}
