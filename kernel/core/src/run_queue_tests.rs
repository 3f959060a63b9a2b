//! The run queue against a model.

use std::collections::VecDeque;
use std::vec::Vec;

use proptest::prelude::*;

use crate::run_queue::{PATIENCE_NS, RunQueue};
use crate::thread::{PRIORITIES, Thread};

#[derive(Clone, Debug)]
enum Step {
    Push(u32),
    Pop,
    /// Takes the first whose number is a multiple.
    TakeMultiple(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..PRIORITIES as u32).prop_map(Step::Push),
        2 => Just(Step::Pop),
        1 => (2..5_u32).prop_map(Step::TakeMultiple),
    ]
}

/// The same queue, told in the simplest way.
#[derive(Default)]
struct Model([VecDeque<u32>; PRIORITIES]);

impl Model {
    fn take(&mut self, is_wanted: impl Fn(u32) -> bool) -> Option<u32> {
        self.0.iter_mut().rev().find_map(|fifo| {
            let place = fifo.iter().position(|&number| is_wanted(number))?;
            fifo.remove(place)
        })
    }
}

proptest! {
    #[test]
    fn behaves_like_the_model(steps in prop::collection::vec(step(), 0..200)) {
        let mut queue = RunQueue::new();
        let mut model = Model::default();
        let mut made: Vec<&'static Thread> = Vec::new();
        for step in steps {
            match step {
                Step::Push(priority) => {
                    let thread = Thread::for_test(priority);
                    made.push(thread);
                    queue.push(thread);
                    model.0[priority as usize].push_back(thread.number);
                }
                Step::Pop => {
                    prop_assert_eq!(queue.take(|_| true).map(|thread| thread.number), model.take(|_| true));
                }
                Step::TakeMultiple(of) => {
                    let taken = queue.take(|thread| thread.number.is_multiple_of(of));
                    let expected = model.take(|number| number.is_multiple_of(of));
                    prop_assert_eq!(taken.map(|thread| thread.number), expected);
                }
            }
            let lengths: usize = model.0.iter().map(VecDeque::len).sum();
            prop_assert_eq!(queue.count(), lengths);
            for least in 0..PRIORITIES {
                let expected = model.0[least..].iter().any(|fifo| !fifo.is_empty());
                prop_assert_eq!(queue.has(least as u32), expected);
            }
        }
        for thread in made {
            // SAFETY: the queue that knows the thread is not used any more.
            unsafe { Thread::free_for_test(thread) };
        }
    }
}

/// Whose turn it is when threads of these priorities want to run for ever, in slices
/// of 4 ms: for each, how long it waited at most.
fn longest_waits(priorities: &[u32], slices: u64) -> Vec<u64> {
    const SLICE_NS: u64 = 4_000_000;
    let threads: Vec<_> = priorities
        .iter()
        .map(|&one| Thread::for_test(one))
        .collect();
    let mut queue = RunQueue::new();
    let mut last_ns = std::vec![0; threads.len()];
    let mut waits_ns = last_ns.clone();
    for thread in &threads {
        queue.push(thread);
    }
    for now_ns in (1..=slices).map(|slice| slice * SLICE_NS) {
        let next = queue.take_next(now_ns, |_| true).expect("they are ready");
        queue.set_running(Some(next.thread.urgency()));
        let place = threads
            .iter()
            .position(|one| core::ptr::eq(*one, next.thread));
        let place = place.expect("it is one of them");
        waits_ns[place] = waits_ns[place].max(now_ns - last_ns[place]);
        last_ns[place] = now_ns;
        queue.push(next.thread);
    }
    let end_ns = (slices + 1) * SLICE_NS;
    for (wait_ns, last_ns) in waits_ns.iter_mut().zip(last_ns) {
        *wait_ns = (*wait_ns).max(end_ns - last_ns);
    }
    for thread in threads {
        // SAFETY: the queue that knows the thread is not used any more.
        unsafe { Thread::free_for_test(thread) };
    }
    waits_ns
}

#[test]
fn nobody_is_passed_over_for_long_by_more_urgent_ones() {
    // The system's own, three that go on for ever, an ordinary one, and one that is
    // to run when nothing else does.
    let waits_ns = longest_waits(&[3, 2, 2, 2, 1, 0], 1000);
    let most_ns = PATIENCE_NS + 4 * 4_000_000;
    assert!(waits_ns[0] <= most_ns, "{waits_ns:?}");
    assert!(waits_ns[4] <= most_ns, "{waits_ns:?}");
    assert!(
        waits_ns[1..4].iter().all(|wait_ns| *wait_ns <= 4 * most_ns),
        "{waits_ns:?}"
    );
    assert_eq!(waits_ns[5], 1001 * 4_000_000);
}

#[test]
fn who_goes_on_running_learns_that_another_waited_for_too_long() {
    let mut queue = RunQueue::new();
    let (runs, waits) = (Thread::for_test(2), Thread::for_test(1));
    queue.set_running(Some(runs.urgency()));
    assert!(!queue.push(waits));
    let begin_ns = 5_000_000;
    assert!(!queue.has_overdue(begin_ns), "it has just come");
    assert!(!queue.has_overdue(begin_ns + PATIENCE_NS));
    let end_ns = begin_ns + PATIENCE_NS + 1;
    assert!(queue.has_overdue(end_ns));
    queue.push(runs);
    let next = queue.take_next(end_ns, |_| true).expect("both are ready");
    assert!(core::ptr::eq(next.thread, waits) && next.is_overdue);
    queue.set_running(Some(waits.urgency()));
    let next = queue.take_next(end_ns, |_| true).expect("one is ready");
    assert!(core::ptr::eq(next.thread, runs) && !next.is_overdue);
}

#[test]
fn says_who_should_not_wait() {
    let mut queue = RunQueue::new();
    let (low, high) = (Thread::for_test(1), Thread::for_test(2));
    assert!(queue.push(low), "the CPU is idle");
    queue.set_running(Some(1));
    assert!(queue.push(high));
    queue.set_running(Some(2));
    assert!(!queue.push(Thread::for_test(2)));
}
