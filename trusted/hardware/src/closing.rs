//! What devices were told to keep away from, and may still reach.

use core::sync::atomic::{AtomicU64, Ordering};

/// What was closed and is to be waited for ([`crate::Platform::settle`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Closing(u64);

/// How much was closed, and how much of it devices have forgotten.
#[derive(Debug, Default)]
pub struct Closings {
    begun: AtomicU64,
    settled: AtomicU64,
}

impl Closings {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            begun: AtomicU64::new(0),
            settled: AtomicU64::new(0),
        }
    }

    /// Notes what has just been closed.
    pub fn note(&self) -> Closing {
        Closing(self.begun.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// Calls `wait`, which is for all that was closed until then, unless somebody has
    /// waited since.
    pub fn settle(&self, closing: Closing, wait: impl FnOnce()) {
        if self.settled.load(Ordering::Acquire) >= closing.0 {
            return;
        }
        let begun = self.begun.load(Ordering::Acquire);
        wait();
        self.settled.fetch_max(begun, Ordering::AcqRel);
    }
}
