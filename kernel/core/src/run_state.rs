//! A thread's state and its pending wake-up, in one atomic word.
//!
//! Both change together, so that no wake-up is lost between the decision to
//! block and the switch to another thread, whichever CPUs the two are on.

use crate::atomic::{AtomicU32, Ordering};

/// Where a thread stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum ThreadState {
    /// On a CPU.
    Running = 1,
    /// In a run queue.
    Ready = 2,
    /// Waits to be woken.
    Blocked = 3,
    /// Ended; the reaper frees it.
    Ended = 4,
}

/// Somebody woke the thread while it did not block.
const NOTIFIED: u32 = 1 << 8;

/// The word.
#[derive(Debug)]
pub struct RunState(AtomicU32);

impl RunState {
    /// A thread in `state`, with no wake-up pending.
    #[must_use]
    pub fn new(state: ThreadState) -> Self {
        Self(AtomicU32::new(state as u32))
    }

    /// Where the thread stands.
    #[must_use]
    pub fn get(&self) -> ThreadState {
        match self.0.load(Ordering::Acquire) & !NOTIFIED {
            1 => ThreadState::Running,
            2 => ThreadState::Ready,
            3 => ThreadState::Blocked,
            _ => ThreadState::Ended,
        }
    }

    /// A CPU has taken the thread. A pending wake-up stays pending.
    pub fn run(&self) {
        self.change(ThreadState::Running);
    }

    /// The running thread goes back into a queue. A pending wake-up stays so.
    pub fn make_ready(&self) {
        self.change(ThreadState::Ready);
    }

    /// The running thread never runs again.
    pub fn end(&self) {
        self.0.store(ThreadState::Ended as u32, Ordering::Release);
    }

    /// The running thread is to block; false, and the wake-up used up, if one
    /// is pending. Who wakes it from now on puts it into a queue.
    pub fn try_block(&self) -> bool {
        let running = ThreadState::Running as u32;
        let blocked = self.0.compare_exchange(
            running,
            ThreadState::Blocked as u32,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        if blocked.is_err() {
            // Only the notification can be in the way: nobody but the running
            // thread leaves `Running`. A swap, so that the thread sees what was
            // done before every wake-up it uses up, not the first alone.
            self.0.swap(running, Ordering::SeqCst);
        }
        blocked.is_ok()
    }

    /// Wakes the thread; true if it blocked, and then the caller, and nobody
    /// else, must put it into a queue.
    pub fn wake(&self) -> bool {
        let mut seen = self.0.load(Ordering::SeqCst);
        loop {
            let next = match seen & !NOTIFIED {
                state if state == ThreadState::Blocked as u32 => ThreadState::Ready as u32,
                state if state == ThreadState::Ended as u32 => return false,
                state => state | NOTIFIED,
            };
            match self
                .0
                .compare_exchange(seen, next, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => return next == ThreadState::Ready as u32,
                Err(now) => seen = now,
            }
        }
    }

    fn change(&self, to: ThreadState) {
        let mut seen = self.0.load(Ordering::Relaxed);
        while let Err(now) = self.0.compare_exchange(
            seen,
            seen & NOTIFIED | to as u32,
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            seen = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_before_the_block_is_not_lost() {
        let state = RunState::new(ThreadState::Running);
        assert!(!state.wake());
        assert!(!state.try_block());
        assert_eq!(state.get(), ThreadState::Running);
        assert!(state.try_block());
        assert!(state.wake());
        assert_eq!(state.get(), ThreadState::Ready);
    }

    #[test]
    fn a_pending_wake_up_survives_a_turn_in_the_queue() {
        let state = RunState::new(ThreadState::Running);
        state.make_ready();
        assert!(!state.wake());
        state.run();
        assert_eq!(state.get(), ThreadState::Running);
        assert!(!state.try_block());
    }

    #[test]
    fn nobody_queues_an_ended_thread() {
        let state = RunState::new(ThreadState::Running);
        state.end();
        assert!(!state.wake());
        assert_eq!(state.get(), ThreadState::Ended);
    }
}
