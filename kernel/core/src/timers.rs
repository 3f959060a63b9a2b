//! The threads of one CPU that wait for a moment.

use alloc::collections::BTreeMap;

use crate::sync::SpinLock;
use crate::thread::Thread;

/// A moment in nanoseconds, and the number of the thread that waits for it.
pub type Key = (u64, u32);

/// Threads by the moment they wait for.
pub struct Timers(SpinLock<BTreeMap<Key, &'static Thread>>);

impl Timers {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self(SpinLock::new(BTreeMap::new()))
    }

    /// Adds a thread; it must call [`Self::remove`] before it ends.
    pub fn insert(&self, deadline_ns: u64, thread: &'static Thread) -> Key {
        let key = (deadline_ns, thread.number);
        self.0.lock().insert(key, thread);
        key
    }

    /// Removes a thread, whether or not its moment has come.
    pub fn remove(&self, key: Key) {
        self.0.lock().remove(&key);
    }

    /// The first moment somebody waits for.
    pub fn first_ns(&self) -> u64 {
        let timers = self.0.lock();
        timers.first_key_value().map_or(u64::MAX, |(key, _)| key.0)
    }

    /// Calls `wake` with every thread whose moment has come. The list is locked
    /// meanwhile, so none of them can end.
    pub fn expire(&self, now_ns: u64, wake: impl Fn(&'static Thread)) {
        let mut timers = self.0.lock();
        while let Some((&key, &thread)) = timers.first_key_value() {
            if key.0 > now_ns {
                return;
            }
            timers.remove(&key);
            wake(thread);
        }
    }
}
