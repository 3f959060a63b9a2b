//! Locks: the runtime's in an image, the host's in tests.

#[cfg(not(test))]
pub use image::Condvar;
#[cfg(not(test))]
pub use runtime::sync::{Mutex, MutexGuard};

#[cfg(not(test))]
mod image {
    use runtime::sync::MutexGuard;
    use runtime::time::{Duration, Instant};

    /// The runtime's, with points in time for limits.
    #[derive(Default)]
    pub struct Condvar(runtime::sync::Condvar);

    impl Condvar {
        pub const fn new() -> Self {
            Self(runtime::sync::Condvar::new())
        }

        pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard)
        }

        /// Waits at most until `deadline_ns`; whether it was reached.
        pub fn wait_until<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            deadline_ns: u64,
        ) -> (MutexGuard<'a, T>, bool) {
            let left = deadline_ns.saturating_sub(Instant::now().nanoseconds());
            self.0.wait_timeout(guard, Duration::from_nanos(left))
        }

        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

#[cfg(test)]
pub use host::now_ns;
#[cfg(test)]
pub use host::{Condvar, Mutex, MutexGuard};

#[cfg(test)]
mod host {
    use std::ops::{Deref, DerefMut};
    use std::sync::{LazyLock, PoisonError, TryLockError};
    use std::thread;
    use std::time::{Duration, Instant};

    use exchange::host as stand_in;

    /// After how long a thread of a process that waits in Rv6 looks again.
    const LOOK: Duration = Duration::from_micros(50);

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub fn now_ns() -> u64 {
        u64::try_from(START.elapsed().as_nanos()).unwrap()
    }

    #[derive(Default)]
    pub struct Mutex<T>(std::sync::Mutex<T>);

    pub struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        inner: std::sync::MutexGuard<'a, T>,
    }

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard {
                mutex: self,
                inner: self.lock_inner(),
            }
        }

        fn lock_inner(&self) -> std::sync::MutexGuard<'_, T> {
            loop {
                match self.0.try_lock() {
                    Ok(guard) => return guard,
                    Err(TryLockError::Poisoned(error)) => return error.into_inner(),
                    // Whoever holds it may have died with it.
                    Err(TryLockError::WouldBlock) if stand_in::is_crossing() => {
                        stand_in::leave_if_dead();
                        thread::yield_now();
                    }
                    Err(TryLockError::WouldBlock) => {
                        return self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    }
                }
            }
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.inner
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.inner
        }
    }

    #[derive(Default)]
    pub struct Condvar(std::sync::Condvar);

    impl Condvar {
        pub fn new() -> Self {
            Self::default()
        }

        pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            let MutexGuard { mutex, inner } = guard;
            if !stand_in::is_crossing() {
                let inner = self.0.wait(inner).unwrap_or_else(PoisonError::into_inner);
                return MutexGuard { mutex, inner };
            }
            // Whoever would wake it may die, also with the lock.
            drop(inner);
            thread::sleep(LOOK);
            stand_in::leave_if_dead();
            mutex.lock()
        }

        pub fn wait_until<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            deadline_ns: u64,
        ) -> (MutexGuard<'a, T>, bool) {
            let MutexGuard { mutex, inner } = guard;
            let left = deadline_ns.saturating_sub(now_ns()).min(1_000_000_000_000);
            let (inner, result) = self
                .0
                .wait_timeout(inner, Duration::from_nanos(left))
                .unwrap();
            (MutexGuard { mutex, inner }, result.timed_out())
        }

        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}
