//! Ready threads of one CPU, by priority, and what runs there.

use core::ptr;

use crate::atomic::Ordering;
use crate::thread::{PRIORITIES, Thread};

/// Threads in the order they came, linked through themselves: queueing one
/// takes no memory.
struct Fifo {
    first: Option<&'static Thread>,
    last: Option<&'static Thread>,
}

impl Fifo {
    const EMPTY: Self = Self {
        first: None,
        last: None,
    };

    fn push(&mut self, thread: &'static Thread) {
        thread.next.store(ptr::null_mut(), Ordering::Relaxed);
        match self.last {
            Some(last) => link(last, thread),
            None => self.first = Some(thread),
        }
        self.last = Some(thread);
    }

    /// Removes the first thread that `is_wanted`.
    fn take(&mut self, is_wanted: impl Fn(&Thread) -> bool) -> Option<&'static Thread> {
        let mut before: Option<&'static Thread> = None;
        let mut here = self.first;
        while let Some(thread) = here {
            let next = next(thread);
            if is_wanted(thread) {
                match (before, next) {
                    (Some(before), Some(next)) => link(before, next),
                    (Some(before), None) => before.next.store(ptr::null_mut(), Ordering::Relaxed),
                    (None, next) => self.first = next,
                }
                if next.is_none() {
                    self.last = before;
                }
                return Some(thread);
            }
            before = here;
            here = next;
        }
        None
    }
}

fn link(from: &'static Thread, to: &'static Thread) {
    from.next
        .store(ptr::from_ref(to).cast_mut(), Ordering::Relaxed);
}

fn next(thread: &'static Thread) -> Option<&'static Thread> {
    // SAFETY: null or a thread of the same queue, which is ready and hence not
    // freed; the queue's lock guards the link.
    unsafe { thread.next.load(Ordering::Relaxed).as_ref() }
}

/// Ready threads of one CPU.
pub struct RunQueue {
    ready: [Fifo; PRIORITIES],
    count: usize,
    /// Priority of the thread that runs; `None`: the CPU is idle.
    running: Option<u32>,
}

impl RunQueue {
    /// An empty queue of an idle CPU.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ready: [const { Fifo::EMPTY }; PRIORITIES],
            count: 0,
            running: None,
        }
    }

    /// Adds a thread behind those of its priority; whether it should not wait
    /// for the one that runs.
    pub fn push(&mut self, thread: &'static Thread) -> bool {
        self.ready[thread.priority as usize].push(thread);
        self.count += 1;
        self.running.is_none_or(|running| running < thread.priority)
    }

    /// Takes the first of the highest priority among the threads that `is_wanted`.
    pub fn take(&mut self, is_wanted: impl Fn(&Thread) -> bool) -> Option<&'static Thread> {
        let taken = self
            .ready
            .iter_mut()
            .rev()
            .find_map(|fifo| fifo.take(&is_wanted));
        self.count -= usize::from(taken.is_some());
        taken
    }

    /// Whether a thread of at least priority `least` is ready.
    #[must_use]
    pub fn has(&self, least: u32) -> bool {
        self.count != 0
            && self.ready[least as usize..]
                .iter()
                .any(|fifo| fifo.first.is_some())
    }

    /// Threads that are ready.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Priority of what runs; `None`: nothing.
    #[must_use]
    pub const fn running(&self) -> Option<u32> {
        self.running
    }

    /// Notes what runs from now on.
    pub const fn set_running(&mut self, priority: Option<u32>) {
        self.running = priority;
    }
}
