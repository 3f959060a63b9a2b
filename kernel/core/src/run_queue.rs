//! Ready threads of one CPU, by urgency, and what runs there.
//!
//! The most urgent is next. What waits for [`PATIENCE_NS`] while more urgent ones have
//! their turns has one, too, however many they are and whatever they do.

use core::ptr;

use crate::atomic::Ordering;
use crate::thread::{PRIORITIES, PRIORITY_KERNEL, Thread};

/// Nanoseconds after which a less urgent thread is not passed over again.
pub const PATIENCE_NS: u64 = 6_000_000;

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
    /// Since when those of each urgency have been passed over; 0: they have not.
    passed_ns: [u64; PRIORITIES],
    count: usize,
    /// Urgency of the thread that runs; `None`: the CPU is idle.
    running: Option<u32>,
}

/// What is to run next.
pub struct Next {
    /// The thread.
    pub thread: &'static Thread,
    /// It had waited for too long: only the kernel's thread comes before it until
    /// its turn ends.
    pub is_overdue: bool,
}

impl RunQueue {
    /// An empty queue of an idle CPU.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ready: [const { Fifo::EMPTY }; PRIORITIES],
            passed_ns: [0; PRIORITIES],
            count: 0,
            running: None,
        }
    }

    /// Adds a thread behind those as urgent; whether it should not wait for the one
    /// that runs.
    pub fn push(&mut self, thread: &'static Thread) -> bool {
        let urgency = thread.urgency();
        self.ready[urgency as usize].push(thread);
        self.count += 1;
        self.running.is_none_or(|running| running < urgency)
    }

    /// Takes the first of the most urgent among the threads that `is_wanted`.
    pub fn take(&mut self, is_wanted: impl Fn(&Thread) -> bool) -> Option<&'static Thread> {
        let mut levels = (0..PRIORITIES).rev();
        levels.find_map(|level| self.take_from(level, &is_wanted))
    }

    /// Takes what is to run from `now_ns` on.
    pub fn take_next(&mut self, now_ns: u64, is_wanted: impl Fn(&Thread) -> bool) -> Option<Next> {
        let overdue = self.take_overdue(now_ns, &is_wanted);
        let is_overdue = overdue.is_some();
        let thread = overdue.or_else(|| self.take(is_wanted))?;
        self.note_passed(now_ns, thread.urgency() as usize);
        Some(Next { thread, is_overdue })
    }

    /// Takes a thread of those that were passed over for too long. Not of those that
    /// want to run when nothing else does.
    fn take_overdue(
        &mut self,
        now_ns: u64,
        is_wanted: &impl Fn(&Thread) -> bool,
    ) -> Option<&'static Thread> {
        let mut levels = 1..PRIORITY_KERNEL as usize;
        levels.find_map(|level| {
            let is_overdue = self.is_overdue(now_ns, level);
            is_overdue.then(|| self.take_from(level, is_wanted))?
        })
    }

    fn is_overdue(&self, now_ns: u64, level: usize) -> bool {
        let since_ns = self.passed_ns[level];
        let has_waited = since_ns != 0 && now_ns.saturating_sub(since_ns) > PATIENCE_NS;
        has_waited && self.ready[level].first.is_some()
    }

    /// Whether a thread has waited for too long at `now_ns`, while what runs went on.
    pub fn has_overdue(&mut self, now_ns: u64) -> bool {
        self.note_passed(now_ns, self.running.unwrap_or(0) as usize);
        (1..PRIORITY_KERNEL as usize).any(|level| self.is_overdue(now_ns, level))
    }

    /// Those less urgent than what is about to run are passed over.
    fn note_passed(&mut self, now_ns: u64, taken: usize) {
        for (fifo, passed_ns) in self.ready.iter().zip(&mut self.passed_ns).take(taken) {
            *passed_ns = match (fifo.first, *passed_ns) {
                (None, _) => 0,
                (Some(_), 0) => now_ns.max(1),
                (Some(_), since_ns) => since_ns,
            };
        }
    }

    fn take_from(
        &mut self,
        level: usize,
        is_wanted: &impl Fn(&Thread) -> bool,
    ) -> Option<&'static Thread> {
        let taken = self.ready[level].take(is_wanted)?;
        self.passed_ns[level] = 0;
        self.count -= 1;
        Some(taken)
    }

    /// Whether a thread at least as urgent as `least` is ready.
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

    /// Urgency of what runs; `None`: nothing.
    #[must_use]
    pub const fn running(&self) -> Option<u32> {
        self.running
    }

    /// Notes what runs from now on.
    pub const fn set_running(&mut self, urgency: Option<u32>) {
        self.running = urgency;
    }
}
