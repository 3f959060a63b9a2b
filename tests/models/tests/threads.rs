//! A thread blocks on one CPU while another wakes and takes it.
#![forbid(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;
use models::claim::Claim;
use models::run_state::{RunState, ThreadState};

/// What two CPUs share of a thread.
struct Shared {
    state: RunState,
    stack: Claim,
    /// Stands for the stack: whoever runs the thread or looks at it uses this.
    frames: UnsafeCell<u32>,
    /// The event the thread waits for.
    has_happened: AtomicBool,
    /// Times it was put into a queue.
    queued: AtomicUsize,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: RunState::new(ThreadState::Running),
            stack: Claim::new(true),
            frames: UnsafeCell::new(0),
            has_happened: AtomicBool::new(false),
            queued: AtomicUsize::new(0),
        })
    }

    /// The thread waits: looks, decides to block, looks again when it runs on.
    /// True if it left its CPU.
    fn wait(&self) -> bool {
        if self.has_happened.load(Ordering::SeqCst) || !self.state.try_block() {
            return false;
        }
        // The switch away saves what is on the stack, and then lets go of it.
        self.frames.with_mut(|_| ());
        self.stack.give_back();
        true
    }

    fn wake(&self) {
        self.has_happened.store(true, Ordering::SeqCst);
        if self.state.wake() {
            self.queued.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A CPU that found the thread in its queue runs it, if it can have the stack
    /// now; how often it tries makes no difference to what may happen then.
    fn try_run(&self) {
        if self.stack.try_take() {
            self.frames.with_mut(|_| ());
            self.state.run();
        }
    }
}

#[test]
fn no_wake_up_is_lost() {
    models::check(|| {
        let shared = Shared::new();
        let waker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.wake())
        };
        let has_left = shared.wait();
        waker.join().unwrap();
        let queued = shared.queued.load(Ordering::SeqCst);
        if has_left {
            assert_eq!(queued, 1, "it blocks for ever, or is in two queues");
        } else {
            assert_eq!(queued, 0, "it runs and is in a queue");
        }
    });
}

#[test]
fn of_two_wakers_one_puts_it_into_a_queue() {
    models::check(|| {
        let shared = Shared::new();
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.wake())
            })
            .collect();
        let has_left = shared.wait();
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        let queued = shared.queued.load(Ordering::SeqCst);
        assert_eq!(queued, usize::from(has_left));
    });
}

#[test]
fn a_cpu_runs_it_only_when_the_other_has_left_its_stack() {
    models::check(|| {
        let shared = Shared::new();
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.wake();
                if shared.queued.load(Ordering::SeqCst) == 1 {
                    shared.try_run();
                }
            })
        };
        if !shared.wait() {
            shared.frames.with_mut(|_| ());
        }
        other.join().unwrap();
    });
}

#[test]
fn a_look_at_the_stack_and_a_run_exclude_each_other() {
    models::check(|| {
        let shared = Shared::new();
        assert!(shared.wait());
        let looker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if shared.stack.try_take() {
                    shared.frames.with(|_| ());
                    shared.stack.give_back();
                }
            })
        };
        shared.wake();
        shared.try_run();
        looker.join().unwrap();
    });
}

#[test]
fn who_uses_up_two_wake_ups_sees_what_both_are_about() {
    models::check(|| {
        let state = Arc::new(RunState::new(ThreadState::Running));
        let queued = Arc::new(AtomicUsize::new(0));
        // Relaxed: nothing but the thread's state puts them in order.
        let events = Arc::new([(); 2].map(|()| AtomicBool::new(false)));
        let wakers = [0, 1].map(|event| {
            let shared = (Arc::clone(&state), Arc::clone(&queued), Arc::clone(&events));
            thread::spawn(move || {
                let (state, queued, events) = shared;
                events[event].store(true, Ordering::Relaxed);
                if state.wake() {
                    queued.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        let is_due = || !events.iter().all(|event| event.load(Ordering::Relaxed));
        let mut has_left = false;
        while !has_left && is_due() {
            has_left = state.try_block();
        }
        for waker in wakers {
            waker.join().unwrap();
        }
        let queued = queued.load(Ordering::SeqCst);
        assert_eq!(queued, usize::from(has_left), "it blocks for ever");
    });
}
