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
    use std::sync::{LazyLock, PoisonError};
    use std::time::{Duration, Instant};

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub fn now_ns() -> u64 {
        u64::try_from(START.elapsed().as_nanos()).unwrap()
    }

    #[derive(Default)]
    pub struct Mutex<T>(std::sync::Mutex<T>);

    pub type MutexGuard<'a, T> = std::sync::MutexGuard<'a, T>;

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[derive(Default)]
    pub struct Condvar(std::sync::Condvar);

    impl Condvar {
        pub fn new() -> Self {
            Self::default()
        }

        pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
        }

        pub fn wait_until<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            deadline_ns: u64,
        ) -> (MutexGuard<'a, T>, bool) {
            let left = deadline_ns.saturating_sub(now_ns()).min(1_000_000_000_000);
            let (guard, result) = self
                .0
                .wait_timeout(guard, Duration::from_nanos(left))
                .unwrap();
            (guard, result.timed_out())
        }

        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}
