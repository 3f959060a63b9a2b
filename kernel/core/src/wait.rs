//! Waiting on a word of memory, and waking those who do.
//!
//! The one blocking primitive domains get; locks and condition variables of
//! `trusted/runtime` are built on it. Kernel objects wait on words too.

use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::status::ServiceError;

use crate::machine;
use crate::scheduler;
use crate::sync::SpinLock;
use crate::thread::{self, Thread};

const BUCKETS: usize = 64;

/// Threads that wait, in the order they came, linked through themselves: to wait takes
/// no memory.
struct Waiters {
    first: Option<&'static Thread>,
    last: Option<&'static Thread>,
}

impl Waiters {
    const EMPTY: Self = Self {
        first: None,
        last: None,
    };

    fn push(&mut self, word: usize, thread: &'static Thread) {
        thread.waits_on.store(word, Ordering::Relaxed);
        set_next(thread, None);
        match self.last {
            Some(last) => set_next(last, Some(thread)),
            None => self.first = Some(thread),
        }
        self.last = Some(thread);
    }

    /// Takes the first that `is_meant`.
    fn take(&mut self, is_meant: impl Fn(&Thread) -> bool) -> Option<&'static Thread> {
        let (mut before, mut here) = (None, self.first);
        while let Some(thread) = here {
            let after = next(thread);
            if !is_meant(thread) {
                (before, here) = (here, after);
                continue;
            }
            match before {
                Some(before) => set_next(before, after),
                None => self.first = after,
            }
            if after.is_none() {
                self.last = before;
            }
            return Some(thread);
        }
        None
    }
}

fn next(thread: &'static Thread) -> Option<&'static Thread> {
    // SAFETY: null or a thread of the same list, which waits and hence is not freed;
    // the list's lock guards the link.
    unsafe { thread.waits_before.load(Ordering::Relaxed).as_ref() }
}

fn set_next(thread: &'static Thread, next: Option<&'static Thread>) {
    let next = next.map_or(ptr::null_mut(), |next| ptr::from_ref(next).cast_mut());
    thread.waits_before.store(next, Ordering::Relaxed);
}

static TABLE: [SpinLock<Waiters>; BUCKETS] = [const { SpinLock::new(Waiters::EMPTY) }; BUCKETS];

fn bucket(word: usize) -> &'static SpinLock<Waiters> {
    // Words are at least four bytes apart; a multiplicative hash spreads them.
    &TABLE[(word >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58]
}

/// Blocks while `*word == expected`, at most until `deadline_ns`.
///
/// # Errors
/// `TimedOut` when the deadline passed; `Interrupted` when the thread's domain
/// is dying.
pub fn wait(word: &AtomicU32, expected: u32, deadline_ns: u64) -> Result<(), ServiceError> {
    let address = core::ptr::from_ref(word) as usize;
    let thread = thread::current();
    {
        let mut waiters = bucket(address).lock();
        if word.load(Ordering::SeqCst) != expected {
            return Ok(());
        }
        waiters.push(address, thread);
    }
    if !scheduler::was_disturbed() {
        scheduler::block_until(deadline_ns);
    }
    let mut waiters = bucket(address).lock();
    let own = waiters.take(|waiter| ptr::eq(waiter, thread));
    drop(waiters);
    if crate::crossing::is_current_dead() {
        return Err(ServiceError::Interrupted);
    }
    if own.is_some() && deadline_ns != u64::MAX && machine::get().now_ns() >= deadline_ns {
        return Err(ServiceError::TimedOut);
    }
    Ok(())
}

/// Wakes up to `count` threads that wait on `word`; how many.
pub fn wake(word: &AtomicU32, count: u32) -> u32 {
    let address = core::ptr::from_ref(word) as usize;
    let mut woken = 0;
    let mut waiters = bucket(address).lock();
    let is_meant = |waiter: &Thread| waiter.waits_on.load(Ordering::Relaxed) == address;
    while woken < count
        && let Some(thread) = waiters.take(is_meant)
    {
        scheduler::wake(thread);
        woken += 1;
    }
    woken
}
