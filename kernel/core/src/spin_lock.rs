//! A lock that spins.

use core::ops::{Deref, DerefMut};

use crate::atomic::{AtomicBool, Ordering, UnsafeCell, const_fn};
use crate::sync::{PreemptOff, spin_until};

/// A lock that spins; its holder is not pre-empted.
#[derive(Debug, Default)]
pub struct SpinLock<T> {
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands out one reference at a time, so sharing it between
// threads is sending the value back and forth.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    const_fn! {
        /// A free lock.
        pub fn new(value: T) -> Self {
            Self {
                locked: AtomicBool::new(false),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Waits until the lock is free and takes it.
    #[inline]
    pub fn lock(&self) -> SpinGuard<'_, T> {
        let preempt = PreemptOff::new();
        if !self.take() {
            // Looks without writing, so that the holder keeps its cache line.
            spin_until(|| !self.locked.load(Ordering::Relaxed) && self.take());
        }
        SpinGuard {
            lock: self,
            _preempt: preempt,
        }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        let preempt = PreemptOff::new();
        // Not `then_some`: a guard that is made is dropped, and opens the lock.
        self.take().then(|| SpinGuard {
            lock: self,
            _preempt: preempt,
        })
    }

    #[inline]
    fn take(&self) -> bool {
        self.locked
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Forgets that somebody holds the lock. Only for the panic path, where
    /// the holder never runs again.
    pub fn break_open(&self) {
        self.locked.store(false, Ordering::Release);
    }
}

/// Access to what a [`SpinLock`] guards.
#[derive(Debug)]
pub struct SpinGuard<'a, T> {
    lock: &'a SpinLock<T>,
    // Dropped after `drop` below has released the lock.
    _preempt: PreemptOff,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so this thread holds the lock.
        unsafe { &*self.lock.value.with(|value| value) }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists, so this thread holds the lock.
        unsafe { &mut *self.lock.value.with_mut(|value| value) }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.locked.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_get_it_leaves_it_as_it_is() {
        let lock = SpinLock::new(0);
        let guard = lock.lock();
        assert!(lock.try_lock().is_none());
        assert!(lock.try_lock().is_none(), "the first try opened it");
        drop(guard);
        assert!(lock.try_lock().is_some());
    }
}
