//! The list of all threads, linked through themselves: it takes no memory.

use super::Thread;

/// All threads, in the order in which they were made.
pub(super) struct All {
    first: *const Thread,
    last: *const Thread,
    count: usize,
}

// SAFETY: threads are shared; their links are reached through the lock only.
unsafe impl Send for All {}

impl All {
    /// None.
    pub(super) const EMPTY: Self = Self {
        first: core::ptr::null(),
        last: core::ptr::null(),
        count: 0,
    };

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Adds one that nobody else knows yet.
    pub(super) fn add(&mut self, thread: &'static Thread) {
        // SAFETY: the lock guards the links of threads in the list, and nobody else
        // knows this one yet.
        unsafe {
            *thread.neighbours.get() = [self.last, core::ptr::null()];
            match self.last.as_ref() {
                Some(last) => (*last.neighbours.get())[1] = thread,
                None => self.first = thread,
            }
        }
        self.last = thread;
        self.count += 1;
    }

    /// Removes one that was added.
    pub(super) fn remove(&mut self, thread: &'static Thread) {
        // SAFETY: the lock guards the links; who is linked is not freed.
        unsafe {
            let [before, after] = *thread.neighbours.get();
            match before.as_ref() {
                Some(before) => (*before.neighbours.get())[1] = after,
                None => self.first = after,
            }
            match after.as_ref() {
                Some(after) => (*after.neighbours.get())[0] = before,
                None => self.last = before,
            }
        }
        self.count -= 1;
    }

    /// All of them; the list stays as it is meanwhile.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'static Thread> {
        // SAFETY: as in `remove`.
        let thread_at = |place: *const Thread| unsafe { place.as_ref() };
        core::iter::successors(thread_at(self.first), move |thread| {
            // SAFETY: as in `remove`.
            thread_at(unsafe { (*thread.neighbours.get())[1] })
        })
    }
}
