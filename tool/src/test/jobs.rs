//! Tests side by side: a few at a time, each in its turn.
//!
//! What a test shows must not depend on how busy the host is, so as many run as
//! the host has processors.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Counts;
use crate::error::ToolError;

/// As many as the host has processors, if nothing else was asked for.
pub fn default_number() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Runs each of `tests`, up to `jobs` at a time; the sum.
///
/// # Errors
/// The first error; tests that run by then come to their ends, others do not begin.
pub fn run<T: Sync>(
    tests: &[T],
    jobs: usize,
    run_one: impl Fn(&T) -> Result<Counts, ToolError> + Sync,
) -> Result<Counts, ToolError> {
    let next = AtomicUsize::new(0);
    let sum = Mutex::new(Ok(Counts::default()));
    let work = || {
        while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = run_one(test);
            if result.is_err() {
                next.store(tests.len(), Ordering::Relaxed);
            }
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *sum, result) {
                (Ok(sum), Ok(counts)) => sum.add(counts),
                (sum @ Ok(_), Err(error)) => *sum = Err(error),
                (Err(_), _) => {}
            }
        }
    };
    thread::scope(|scope| {
        // This thread is the first.
        for _ in 1..jobs.min(tests.len()) {
            scope.spawn(work);
        }
        work();
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::test::TestError;

    const PASSED: Counts = Counts {
        passed: 1,
        failed: 0,
    };

    fn error() -> ToolError {
        let message = "no table".to_owned();
        TestError::Table { file: "a", message }.into()
    }

    #[test]
    fn each_test_runs_once_whatever_the_number_of_jobs() {
        let tests = [const { AtomicUsize::new(0) }; 7];
        for jobs in 1..=9 {
            let counts = run(&tests, jobs, |test| {
                test.fetch_add(1, Ordering::Relaxed);
                Ok(PASSED)
            });
            assert_eq!(counts.unwrap().passed, 7);
            for test in &tests {
                assert_eq!(test.load(Ordering::Relaxed), jobs);
            }
        }
    }

    #[test]
    fn tests_run_side_by_side() {
        let both_are_here = Barrier::new(2);
        let counts = run(&[(), ()], 2, |()| {
            both_are_here.wait();
            Ok(PASSED)
        });
        assert_eq!(counts.unwrap().passed, 2);
    }

    #[test]
    fn after_an_error_no_test_begins() {
        let begun = AtomicUsize::new(0);
        let result = run(&[(); 5], 1, |()| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err(error())
        });
        assert!(result.is_err());
        assert_eq!(begun.into_inner(), 1);
    }
}
