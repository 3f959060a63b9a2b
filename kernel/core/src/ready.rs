//! The ready threads of one CPU, which every CPU adds to and takes from.
//!
//! **Invariant:** a thread is in one queue at a time, and who takes it to run it has
//! claimed its stack under the queue's lock: it is not lost and not run twice.

use crate::atomic::{AtomicUsize, Ordering, const_fn};
use crate::run_queue::{Next, RunQueue};
use crate::sync::{SpinGuard, SpinLock};
use crate::thread::Thread;

/// A CPU's run queue, shared.
pub struct Ready {
    queue: SpinLock<RunQueue>,
    /// Threads in `queue`, for others to look at without its lock.
    waiting: AtomicUsize,
}

impl Ready {
    const_fn! {
        /// No thread, of an idle CPU.
        pub fn new() -> Self {
            Self {
                queue: SpinLock::new(RunQueue::new()),
                waiting: AtomicUsize::new(0),
            }
        }
    }

    /// Adds a ready thread, which is in no queue; whether it should not wait for
    /// the one that runs.
    pub fn add(&self, thread: &'static Thread) -> bool {
        let mut queue = self.queue.lock();
        let is_urgent = queue.push(thread);
        self.count(&queue);
        is_urgent
    }

    /// Takes what this CPU runs from `now_ns` on, claimed for it, and notes it; `from`
    /// runs there now.
    pub fn take_next(&self, from: &'static Thread, now_ns: u64) -> Option<Next> {
        let mut queue = self.queue.lock();
        // What another CPU is still switching away from has to wait.
        let is_free = |thread: &Thread| core::ptr::eq(thread, from) || thread.try_claim();
        let next = queue.take_next(now_ns, is_free);
        queue.set_running(next.as_ref().map(|next| next.thread.urgency()));
        self.count(&queue);
        next
    }

    /// Takes a thread that waits while its CPU is busy; an idle one is about to run
    /// what it has.
    pub fn take_waiting(&self, is_wanted: impl Fn(&Thread) -> bool) -> Option<&'static Thread> {
        let mut queue = self.queue.lock();
        queue.running()?;
        let thread = queue.take(is_wanted);
        self.count(&queue);
        thread
    }

    /// Whether a thread at least as urgent as `least` is ready.
    pub fn has(&self, least: u32) -> bool {
        self.queue.lock().has(least)
    }

    /// Whether a thread has waited for too long at `now_ns`, while what runs went on.
    pub fn has_overdue(&self, now_ns: u64) -> bool {
        self.has_waiting() && self.queue.lock().has_overdue(now_ns)
    }

    /// Whether a thread waits, as far as can be seen without the lock.
    pub fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) != 0
    }

    /// Notes that this CPU runs what it took elsewhere, or how urgent that is now.
    pub fn note_running(&self, thread: &Thread) {
        self.queue.lock().set_running(Some(thread.urgency()));
    }

    fn count(&self, queue: &SpinGuard<'_, RunQueue>) {
        self.waiting.store(queue.count(), Ordering::Relaxed);
    }
}

/// Takes a thread that waits on another CPU; it is claimed for CPU `thief`.
pub fn steal<'a>(
    thief: usize,
    mut victims: impl Iterator<Item = &'a Ready>,
) -> Option<&'static Thread> {
    let is_movable = |thread: &Thread| thread.may_run_on(thief) && thread.try_claim();
    let thread = victims.find_map(|victim| {
        let has_waiting = victim.has_waiting();
        has_waiting.then(|| victim.take_waiting(is_movable))?
    })?;
    thread.cpu.store(thief, Ordering::Relaxed);
    Some(thread)
}
