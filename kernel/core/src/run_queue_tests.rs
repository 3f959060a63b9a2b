//! The run queue against a model.

use std::collections::VecDeque;
use std::vec::Vec;

use proptest::prelude::*;

use crate::run_queue::RunQueue;
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
        3 => (0..4_u32).prop_map(Step::Push),
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
