//! Spin locks and the guard that keeps a thread on its CPU.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};

/// While it lives the current thread is neither pre-empted nor unwound.
///
/// Guards nest. When the last one goes, work that interrupts left behind is
/// done, which may switch to another thread.
#[derive(Debug)]
pub struct PreemptOff(());

impl PreemptOff {
    /// Turns pre-emption off.
    #[inline]
    #[must_use]
    pub fn new() -> Self {
        #[cfg(not(test))]
        // SAFETY: gs points to the thread's own control block from boot on.
        unsafe {
            core::arch::asm!("inc dword ptr gs:[{off}]", off = const abi::thread::offset::PREEMPT_OFF);
        }
        Self(())
    }
}

impl PreemptOff {
    /// Takes over a count that the thread's control block already has.
    pub(crate) const fn adopt() -> Self {
        Self(())
    }
}

impl Default for PreemptOff {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PreemptOff {
    #[inline]
    fn drop(&mut self) {
        #[cfg(not(test))]
        {
            let control = crate::thread::control();
            // SAFETY: the control block is the running thread's own.
            let idle = unsafe {
                core::arch::asm!("dec dword ptr gs:[{off}]", off = const abi::thread::offset::PREEMPT_OFF);
                (*control).preempt_off == 0 && (*control).work_pending.load(Ordering::Relaxed) != 0
            };
            if idle {
                crate::scheduler::deferred_work();
            }
        }
    }
}

/// Times a condition is looked at before the machine is asked to relax.
const SPINS: u32 = 100;

/// Waits, without giving the CPU to another thread, until `is_done`.
///
/// For what another CPU is about to do and needs nothing of this one for.
#[inline]
pub fn spin_until(is_done: impl Fn() -> bool) {
    let mut spins = 0;
    while !is_done() {
        spins += 1;
        if spins < SPINS {
            core::hint::spin_loop();
        } else {
            relax();
            spins = 0;
        }
    }
}

#[cold]
fn relax() {
    #[cfg(test)]
    std::thread::yield_now();
    #[cfg(not(test))]
    crate::machine::get().relax();
}

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
    /// A free lock.
    pub const fn new(value: T) -> Self {
        Self {
            locked: AtomicBool::new(false),
            value: UnsafeCell::new(value),
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
    pub(crate) fn break_open(&self) {
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
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists, so this thread holds the lock.
        unsafe { &mut *self.lock.value.get() }
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
