//! The spin lock: who has it has what it guards for itself.
#![forbid(unsafe_code)]

use loom::sync::Arc;
use loom::thread;
use models::sync::SpinLock;

/// Runs `other` beside `this`, both with the same lock; what the lock guards then.
fn beside(this: fn(&SpinLock<u32>), other: fn(&SpinLock<u32>)) -> u32 {
    let lock = Arc::new(SpinLock::new(0));
    let there = {
        let lock = Arc::clone(&lock);
        thread::spawn(move || other(&lock))
    };
    this(&lock);
    there.join().unwrap();
    *lock.lock()
}

fn add(lock: &SpinLock<u32>) {
    *lock.lock() += 1;
}

#[test]
fn one_at_a_time_sees_what_the_last_one_left() {
    models::check(|| {
        assert_eq!(beside(add, add), 2);
    });
}

#[test]
fn who_only_tries_gets_it_whole_or_not_at_all() {
    models::check(|| {
        let try_to_add = |lock: &SpinLock<u32>| {
            if let Some(mut value) = lock.try_lock() {
                *value += 1;
            }
            // Whoever was kept out has not let anybody in.
            if let Some(mut value) = lock.try_lock() {
                *value += 1;
            }
        };
        let value = beside(add, try_to_add);
        assert!((1..=3).contains(&value), "{value}");
    });
}
