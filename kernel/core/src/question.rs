//! What a CPU is asked about the thread it runs: is it clear of a dying domain?
//!
//! Asked by who wants to reclaim the domain, answered by the CPU's interrupt
//! handler, each at its own time: who asks gives up after a while and asks the
//! next question while the handler may still be about the last one. So a question
//! is one word, and the number of the death that a thread is marked with is not in
//! it but with the domain: the number of another question's would be a lie.

use crate::atomic::{AtomicUsize, Ordering, const_fn};

/// A question to one CPU: about the domain at an address; 0: none is asked.
#[derive(Debug)]
pub struct Question(AtomicUsize);

impl Question {
    const_fn! {
        /// None.
        #[must_use]
        pub fn new() -> Self {
            Self(AtomicUsize::new(0))
        }
    }

    /// Asks about a domain that has been marked dying and numbered. Who answers
    /// sees both.
    pub fn ask(&self, about: usize) {
        self.0.store(about, Ordering::Release);
    }

    /// Asks no more. The handler may still be about it.
    pub fn withdraw(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Whether the CPU has looked: who asks sees how it marked its thread.
    pub fn is_answered(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    /// Answers, if something is asked: `mark_if_clear` looks at the thread and marks
    /// it with the number of the death of the domain at the address it is given.
    pub fn answer(&self, mark_if_clear: impl FnOnce(usize)) {
        let about = self.0.load(Ordering::Acquire);
        if about == 0 {
            return;
        }
        mark_if_clear(about);
        // The next question, if that is already asked, stays.
        let _ = self
            .0
            .compare_exchange(about, 0, Ordering::Release, Ordering::Relaxed);
    }
}
