//! Locks over the kernel's `wait` and `wake`. Uncontended they make no call.

use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use exchange::thread::services;

use crate::time::{Duration, Instant};

/// Blocks while `*word == expected`, at most until the deadline. May return
/// early.
fn wait(word: &AtomicU32, expected: u32, deadline_ns: u64) {
    // SAFETY: every domain may wait; the word lives for the call.
    let _early_or_late = unsafe { (services().wait)(word, expected, deadline_ns) };
}

/// Wakes up to `count` threads that wait on `word`.
fn wake(word: &AtomicU32, count: u32) {
    // SAFETY: every domain may wake; the kernel uses the address only.
    let _woken = unsafe { (services().wake)(word, count) };
}

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// A lock around a value, for the threads of one domain.
pub struct Mutex<T: ?Sized> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives one thread at a time access to the value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// A free lock.
    pub const fn new(value: T) -> Self {
        Self {
            state: AtomicU32::new(FREE),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until the lock is free and takes it.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        if self
            .state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            self.lock_contended();
        }
        MutexGuard { mutex: self }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then(|| MutexGuard { mutex: self })
    }

    /// The value; a unique borrow needs no lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[cold]
    fn lock_contended(&self) {
        while self.state.swap(CONTENDED, Ordering::Acquire) != FREE {
            wait(&self.state, CONTENDED, u64::MAX);
        }
    }

    #[inline]
    fn unlock(&self) {
        if self.state.swap(FREE, Ordering::Release) == CONTENDED {
            wake(&self.state, 1);
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(value) => formatter.debug_tuple("Mutex").field(&*value).finish(),
            None => formatter.write_str("Mutex(<locked>)"),
        }
    }
}

/// Access to the value of a held [`Mutex`].
#[must_use = "the lock is free again as soon as the guard is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
}

// SAFETY: shared, it gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, by this guard alone.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

/// Lets threads wait for a change of what a [`Mutex`] guards.
#[derive(Debug, Default)]
pub struct Condvar {
    changes: AtomicU32,
    waiting: AtomicU32,
}

impl Condvar {
    /// A condition nobody waits for.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            changes: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
        }
    }

    /// Frees the lock, waits for a notification, takes the lock again. May
    /// return early: look again in a loop, or use [`Self::wait_while`].
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.wait_until(guard, u64::MAX)
    }

    /// Waits while `condition` holds.
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// Waits, at most for `limit`; true if the time ran out.
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        let deadline = Instant::now() + limit;
        let guard = self.wait_until(guard, deadline.nanoseconds());
        (guard, Instant::now() >= deadline)
    }

    fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline_ns: u64,
    ) -> MutexGuard<'a, T> {
        let mutex = guard.mutex;
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let seen = self.changes.load(Ordering::SeqCst);
        drop(guard);
        wait(&self.changes, seen, deadline_ns);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        mutex.lock()
    }

    /// Wakes one waiting thread.
    pub fn notify_one(&self) {
        self.notify(1);
    }

    /// Wakes all waiting threads.
    pub fn notify_all(&self) {
        self.notify(u32::MAX);
    }

    fn notify(&self, count: u32) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) != 0 {
            wake(&self.changes, count);
        }
    }
}

const EMPTY: u32 = 0;
const FILLING: u32 = 1;
const FULL: u32 = 2;

/// A value that is made once, by the first that asks for it.
pub struct Once<T> {
    state: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written once, before anyone may read it.
unsafe impl<T: Send> Send for Once<T> {}
// SAFETY: as above; then it is shared.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    /// No value yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// The value, if it was made.
    pub fn get(&self) -> Option<&T> {
        // SAFETY: `FULL` is set after the value was written, for good.
        (self.state.load(Ordering::Acquire) == FULL)
            .then(|| unsafe { (*self.value.get()).assume_init_ref() })
    }

    /// The value; made by `make` if nobody did so yet. Others wait meanwhile.
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        loop {
            if let Some(value) = self.get() {
                return value;
            }
            match self
                .state
                .compare_exchange(EMPTY, FILLING, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => {
                    let value = make();
                    // SAFETY: only this thread is between `FILLING` and `FULL`.
                    unsafe { (*self.value.get()).write(value) };
                    self.state.store(FULL, Ordering::Release);
                    wake(&self.state, u32::MAX);
                    break;
                }
                Err(_) => wait(&self.state, FILLING, u64::MAX),
            }
        }
        self.get().expect("the value was made above")
    }

    /// Sets the value.
    ///
    /// # Errors
    /// Gives it back if there is one already.
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        let mut taken = false;
        if self.get().is_none() {
            self.get_or_init(|| {
                taken = true;
                value.take().expect("a value is made once")
            });
        }
        match value {
            Some(value) if !taken => Err(value),
            _ => Ok(()),
        }
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        if *self.state.get_mut() == FULL {
            // SAFETY: `FULL`: there is a value, and nobody else has access.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Once<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Once").field(&self.get()).finish()
    }
}
