//! Waking a process that is blocked somewhere inside Rv6.
//!
//! A killed process may be waiting in a pipe, the terminal, `wait` or `sleep`.
//! Its domain can only end once its thread has left Rv6, so whoever kills it
//! sets the flag and rings every [`Wake`] the process has announced.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::sync::{Condvar, Mutex};

/// The flag of somebody who is not killed.
pub static NEVER: AtomicBool = AtomicBool::new(false);

/// Something a process can wait for.
pub trait Wake: Send + Sync {
    /// Makes everybody who waits look at their flags again.
    fn wake_all(&self);
}

/// Where a process is blocked, and whether it is to end.
#[derive(Default)]
pub struct Blocked {
    is_killed: AtomicBool,
    places: Mutex<Vec<Arc<dyn Wake>>>,
}

/// Announces for its lifetime that the process may wait.
pub struct BlockedGuard<'a> {
    blocked: &'a Blocked,
    place: Arc<dyn Wake>,
}

impl Blocked {
    /// Announces that the process may wait at `place`.
    pub fn enter(&self, place: Arc<dyn Wake>) -> BlockedGuard<'_> {
        self.places.lock().push(Arc::clone(&place));
        BlockedGuard {
            blocked: self,
            place,
        }
    }

    /// Ends every wait, now and later.
    pub fn kill(&self) {
        self.is_killed.store(true, Ordering::SeqCst);
        let places: Vec<_> = self.places.lock().clone();
        for place in places {
            place.wake_all();
        }
    }

    /// The flag that [`Self::kill`] sets.
    #[must_use]
    pub const fn flag(&self) -> &AtomicBool {
        &self.is_killed
    }

    /// Whether the process is to end.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::SeqCst)
    }
}

impl Drop for BlockedGuard<'_> {
    fn drop(&mut self) {
        let mut places = self.blocked.places.lock();
        let is_mine = |place: &Arc<dyn Wake>| Arc::ptr_eq(place, &self.place);
        if let Some(index) = places.iter().position(is_mine) {
            places.swap_remove(index);
        }
    }
}

/// A place to sleep at: nothing happens there but time.
#[derive(Default)]
pub struct Bed {
    lock: Mutex<()>,
    changed: Condvar,
}

impl Bed {
    /// Waits until `deadline_ns`; whether it was reached.
    pub fn sleep_until(&self, deadline_ns: u64, is_killed: &AtomicBool) -> bool {
        let mut guard = self.lock.lock();
        loop {
            if is_killed.load(Ordering::SeqCst) {
                return false;
            }
            let (next, is_late) = self.changed.wait_until(guard, deadline_ns);
            if is_late {
                return true;
            }
            guard = next;
        }
    }
}

impl Wake for Bed {
    fn wake_all(&self) {
        drop(self.lock.lock());
        self.changed.notify_all();
    }
}
