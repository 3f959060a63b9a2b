//! Who has a thread's stack: the CPU that runs it, or who looks at it.
//!
//! A thread that blocks is in a queue, or woken by another CPU, before its own one
//! has left its stack. Whoever takes it waits for that.

use crate::atomic::{AtomicBool, Ordering};

/// Something one CPU has at a time.
#[derive(Debug)]
pub struct Claim(AtomicBool);

impl Claim {
    /// Taken or not.
    #[must_use]
    pub fn new(is_taken: bool) -> Self {
        Self(AtomicBool::new(is_taken))
    }

    /// Takes it, unless somebody has it. What its last holder did is done.
    pub fn try_take(&self) -> bool {
        // Not a swap, which would write where it does not take: the model checker
        // lets that come after the holder's store.
        self.0
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Gives it back.
    pub fn give_back(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether somebody has it.
    pub fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
