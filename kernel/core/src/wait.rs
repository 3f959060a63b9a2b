//! Waiting on a word of memory, and waking those who do.
//!
//! The one blocking primitive domains get; locks and condition variables of
//! `trusted/runtime` are built on it. Kernel objects wait on words too.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::status::ServiceError;

use crate::machine;
use crate::scheduler;
use crate::sync::SpinLock;
use crate::thread::{self, Thread};

const BUCKETS: usize = 64;

struct Waiter {
    word: usize,
    thread: &'static Thread,
}

static TABLE: [SpinLock<Vec<Waiter>>; BUCKETS] = [const { SpinLock::new(Vec::new()) }; BUCKETS];

fn bucket(word: usize) -> &'static SpinLock<Vec<Waiter>> {
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
        waiters.push(Waiter {
            word: address,
            thread,
        });
    }
    if !scheduler::was_disturbed() {
        scheduler::block_until(deadline_ns);
    }
    let mut waiters = bucket(address).lock();
    let own = waiters
        .iter()
        .position(|waiter| waiter.word == address && core::ptr::eq(waiter.thread, thread));
    if let Some(own) = own {
        waiters.swap_remove(own);
    }
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
    while woken < count {
        // First come, first served, as far as removal keeps the order.
        let Some(next) = waiters.iter().position(|waiter| waiter.word == address) else {
            break;
        };
        scheduler::wake(waiters.remove(next).thread);
        woken += 1;
    }
    woken
}
