//! Objects that were lent, when the borrower or the lender dies.
//!
//! A borrower gives an object back by making the lender its owner. Either may die
//! meanwhile, on different CPUs: then exactly one of the two frees it.
//!
//! **Invariant:** whoever sees the lender alive under the lock has given the object
//! back before the lender's own end looks for what it owns.

use abi::exchange::RETURNED;

use crate::atomic::{AtomicU64, Ordering, const_fn};
use crate::sync::SpinLock;

/// The order of loans' ends.
#[derive(Debug)]
pub struct Loans {
    order: SpinLock<()>,
}

impl Loans {
    const_fn! {
        /// No end under way.
        pub fn new() -> Self {
            Self {
                order: SpinLock::new(()),
            }
        }
    }

    /// Gives an object back to who lent it, the words of whose header these are;
    /// false: nobody alive did.
    pub fn give_back(
        &self,
        owner: &AtomicU64,
        lender: &AtomicU64,
        is_alive: &dyn Fn(u64) -> bool,
    ) -> bool {
        let _order = self.order.lock();
        let from = lender.load(Ordering::Relaxed);
        if from == 0 || from == RETURNED || !is_alive(from) {
            return false;
        }
        owner.store(from, Ordering::Release);
        lender.store(RETURNED, Ordering::Release);
        true
    }

    /// Ends a loan whose object is not in the lender's hands; whether it came
    /// back. If not, it stays lent, or becomes the borrower's for good.
    pub fn end(&self, lender: &AtomicU64, forgive: bool) -> bool {
        let _order = self.order.lock();
        let came_back = lender.load(Ordering::Acquire) == RETURNED;
        if came_back || forgive {
            lender.store(0, Ordering::Release);
        }
        came_back
    }

    /// A domain is not alive any more: on return, whoever still saw it alive has
    /// given it back what it lent.
    pub fn settle(&self) {
        drop(self.order.lock());
    }
}
