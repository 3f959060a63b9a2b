//! How many proxies refer to an export, while they come, go and change.
//!
//! Proxies are objects of the exchange heap, found by a look at all of them. Who
//! redirects them counts what the look finds; their holders drop them meanwhile, or
//! die, and what these had is freed long after it was counted.
//!
//! **Invariant:** under the lock, what a look finds as a proxy of an export is counted
//! there: an export goes with its last proxy, and not before.

use abi::exchange::ObjectKind;

use crate::atomic::{AtomicU32, Ordering, const_fn};
use crate::sync::{SpinGuard, SpinLock};

/// Proxies that refer to an export.
#[derive(Debug)]
pub struct References(AtomicU32);

impl References {
    const_fn! {
        /// The first one.
        pub fn new() -> Self {
            Self(AtomicU32::new(1))
        }
    }
}

/// The order of changes. Calls do not take part in it.
#[derive(Debug)]
pub struct Changes(SpinLock<()>);

impl Changes {
    const_fn! {
        /// No change under way.
        pub fn new() -> Self {
            Self(SpinLock::new(()))
        }
    }

    /// Waits until nobody else is at it. No proxy is copied, redirected or taken away
    /// by others until the change is dropped.
    pub fn begin(&self) -> Change<'_> {
        Change {
            _order: self.0.lock(),
        }
    }
}

/// A change that is under way.
pub struct Change<'a> {
    _order: SpinGuard<'a, ()>,
}

impl Change<'_> {
    /// Counts a proxy more.
    pub fn add(&self, to: &References) {
        to.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a proxy as gone, the kind in whose header this is. True if it was the
    /// last: the export is the caller's then.
    pub fn take_away(&self, kind: &AtomicU32, from: &References) -> bool {
        // It is freed later, or elsewhere: no look may find it until then.
        kind.store(ObjectKind::Data as u32, Ordering::Release);
        from.0.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Counts a proxy that a look found, and led elsewhere. True if it was the last
    /// of `from`: that export is the caller's then.
    pub fn move_one(&self, from: &References, to: &References) -> bool {
        to.0.fetch_add(1, Ordering::Relaxed);
        from.0.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Counts proxies that a look found, and led elsewhere. One stays behind.
    pub fn redirect(&self, count: u32, from: &References, to: &References) {
        to.0.fetch_add(count, Ordering::Relaxed);
        from.0.fetch_sub(count, Ordering::Relaxed);
    }
}
