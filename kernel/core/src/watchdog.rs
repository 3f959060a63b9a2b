//! The watchdog: ends a domain that keeps the CPU for too long in one call.
//!
//! It looks when an interrupt disturbs a thread, and charges the CPU time since
//! its last look to the call the thread is in: the domain's own time, without
//! what it waits for and what it calls. A look never charges more than two
//! slices, however late it comes: a CPU that stood still, as one of a process
//! or a virtual machine does while its host is busy, did not spend that time.

use core::sync::atomic::Ordering;

use abi::death::DeathCause;
use abi::thread::Continuation;

use crate::scheduler::SLICE_NS;
use crate::sync::PreemptOff;
use crate::thread::{self, Thread, control};
use crate::{death, domain, limits, scheduler};

/// Calls of a thread that are watched at once; of deeper nestings the outermost
/// start anew when the thread comes back to them.
const CALLS: usize = 8;

/// Most nanoseconds that one look charges.
const MOST_NS: u64 = 2 * SLICE_NS;

/// What the watchdog saw of a thread's calls.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The thread's CPU time at the last look.
    looked_ns: u64,
    /// The calls it was seen in, the newest last: at lower addresses.
    calls: [Call; CALLS],
    count: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Call {
    /// Address of its continuation.
    continuation: usize,
    spent_ns: u64,
}

impl Watch {
    /// Nothing seen.
    pub(crate) const fn new() -> Self {
        Self {
            looked_ns: 0,
            calls: [Call {
                continuation: 0,
                spent_ns: 0,
            }; CALLS],
            count: 0,
        }
    }

    /// Charges the CPU time since the last look to the thread's newest call.
    ///
    /// `was_seen`: the continuation is the one of the last look at this address.
    /// Returns the nanoseconds the call is known to have taken.
    fn look(&mut self, continuation: usize, was_seen: bool, cpu_ns: u64) -> u64 {
        let passed_ns = cpu_ns.saturating_sub(self.looked_ns).min(MOST_NS);
        self.looked_ns = cpu_ns;
        while self
            .newest()
            .is_some_and(|call| call.continuation < continuation)
        {
            self.count -= 1;
        }
        match self.newest() {
            Some(call) if call.continuation == continuation && was_seen => {
                call.spent_ns += passed_ns;
                call.spent_ns
            }
            Some(call) if call.continuation == continuation => {
                call.spent_ns = 0;
                0
            }
            _ => {
                self.push(continuation);
                0
            }
        }
    }

    fn newest(&mut self) -> Option<&mut Call> {
        self.calls[..self.count].last_mut()
    }

    fn push(&mut self, continuation: usize) {
        if self.count == CALLS {
            self.calls.copy_within(1.., 0);
            self.count -= 1;
        }
        self.calls[self.count] = Call {
            continuation,
            spent_ns: 0,
        };
        self.count += 1;
    }
}

/// Ends the current domain if it has spent too long in one call, or has gone
/// over another of its limits. Nothing may be held.
pub(crate) fn look() {
    let spent_ns = charge(thread::current());
    limits::enforce();
    let limit_ns = domain::current().usage.watchdog_ns();
    if limit_ns != 0 && spent_ns > limit_ns {
        death::end_current(DeathCause::Watchdog, b"");
    }
}

fn charge(thread: &Thread) -> u64 {
    // An interrupt would look again meanwhile.
    let preempt = PreemptOff::new();
    thread.is_watch_due.store(false, Ordering::Relaxed);
    scheduler::settle(thread);
    let cpu_ns = thread.cpu_ns.load(Ordering::Relaxed);
    // SAFETY: the chain is complete outside the stub and lies on this thread's
    // stack; nobody else looks at it, nor at the watch, while the thread runs
    // and is not disturbed.
    let spent_ns = unsafe {
        let chain = (*control()).chain.cast_mut();
        let was_seen = chain.as_mut().is_some_and(Continuation::see);
        (*thread.watch.get()).look(chain.addr(), was_seen, cpu_ns)
    };
    drop(preempt);
    spent_ns
}

/// Looks at the end of the service that the current thread executes.
pub(crate) fn look_later() {
    thread::current()
        .is_watch_due
        .store(true, Ordering::Relaxed);
}

/// Looks if that had to wait for the end of a service.
pub(crate) fn look_if_due() {
    if thread::current().is_watch_due.load(Ordering::Relaxed) {
        look();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: u64 = SLICE_NS;

    #[test]
    fn one_long_call_is_charged_all_its_time() {
        let mut watch = Watch::new();
        assert_eq!(watch.look(0x1000, false, TICK), 0);
        assert_eq!(watch.look(0x1000, true, 2 * TICK), TICK);
        assert_eq!(watch.look(0x1000, true, 3 * TICK), 2 * TICK);
    }

    #[test]
    fn short_calls_at_one_depth_are_not_one_long_call() {
        let mut watch = Watch::new();
        for tick in 1..1000 {
            assert_eq!(watch.look(0x1000, false, tick * TICK), 0);
        }
    }

    #[test]
    fn a_cpu_that_stood_still_did_not_spend_the_time() {
        let mut watch = Watch::new();
        watch.look(0x1000, false, TICK);
        let hour_ns = 3600 * 1_000_000_000;
        assert_eq!(watch.look(0x1000, true, hour_ns), MOST_NS);
    }

    #[test]
    fn a_loop_that_calls_others_is_charged_its_own_time() {
        let mut watch = Watch::new();
        let mut spent_ns = 0;
        for round in 0..100 {
            spent_ns = watch.look(0x1000, round > 0, (2 * round + 1) * TICK);
            assert_eq!(watch.look(0x800, false, (2 * round + 2) * TICK), 0);
        }
        assert_eq!(spent_ns, 99 * TICK);
    }

    #[test]
    fn a_call_that_came_back_is_not_charged_to_its_successor() {
        let mut watch = Watch::new();
        watch.look(0x1000, false, TICK);
        watch.look(0x1000, true, 2 * TICK);
        // Another call at the same place is first seen further down.
        watch.look(0x800, false, 3 * TICK);
        assert_eq!(watch.look(0x1000, false, 4 * TICK), 0);
        // Its caller's own time goes on.
        assert_eq!(watch.look(0x2000, false, 5 * TICK), 0);
        assert_eq!(watch.look(0x2000, true, 6 * TICK), TICK);
    }

    #[test]
    fn deep_nesting_forgets_the_outermost() {
        let mut watch = Watch::new();
        let depth = 3 * CALLS;
        let places = || (1..=depth).rev().map(|step| step * 0x100);
        for place in places() {
            watch.look(place, false, TICK);
        }
        assert_eq!(watch.look(0x100, true, 2 * TICK), TICK);
        for place in places().collect::<Vec<_>>().into_iter().rev() {
            let expected = if place <= CALLS * 0x100 { 2 } else { 0 };
            assert!(watch.look(place, true, 3 * TICK) <= expected * TICK);
        }
    }
}
