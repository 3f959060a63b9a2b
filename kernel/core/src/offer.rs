//! What is offered to whichever CPU comes, and taken by one.
//!
//! Another CPU is started by messages that it may get at any time: at once, after a
//! second because the host had no time for it, or never. Who starts it offers what it is
//! to be (its stack), and takes the offer back when it has waited long enough. Either of
//! them gets it, by one exchange: a CPU that comes too late, or twice, finds nothing and
//! stays where it is.
//!
//! | word | writer | reader | order |
//! |---|---|---|---|
//! | the offer | who starts CPUs, by `make`, when it is empty | | both |
//! | | the CPU, by `take`, and who starts it, by `withdraw` | the same | both |

use crate::atomic::{AtomicUsize, Ordering, const_fn};

/// Something that is offered, not 0; 0: nothing is.
#[derive(Debug)]
#[repr(transparent)]
pub struct Offer(AtomicUsize);

impl Default for Offer {
    fn default() -> Self {
        Self::new()
    }
}

impl Offer {
    const_fn! {
        /// None.
        #[must_use]
        pub fn new() -> Self {
            Self(AtomicUsize::new(0))
        }
    }

    /// Offers something. What was written before is seen by who takes it, and who came
    /// before and found nothing is done with the word.
    pub fn make(&self, what: usize) {
        let before = self.0.swap(what, Ordering::AcqRel);
        debug_assert_eq!(before, 0, "offered beside another");
    }

    /// Whether nothing is offered (any more).
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    /// Takes what is offered, if that is still there: nobody else gets it.
    pub fn take(&self) -> Option<usize> {
        let taken = self.0.swap(0, Ordering::AcqRel);
        (taken != 0).then_some(taken)
    }

    /// Takes the offer back. False: somebody has taken it.
    pub fn withdraw(&self) -> bool {
        self.take().is_some()
    }
}
