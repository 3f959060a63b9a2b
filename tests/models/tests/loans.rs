//! A borrower gives back what it was lent while the lender, or it, dies.
#![forbid(unsafe_code)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use loom::thread;
use models::loans::Loans;

const LENDER: u64 = 1;
const BORROWER: u64 = 2;

/// A lent object and who may take it.
struct Shared {
    loans: Loans,
    owner: AtomicU64,
    lender: AtomicU64,
    lender_lives: AtomicBool,
    freed: AtomicUsize,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            loans: Loans::new(),
            owner: AtomicU64::new(BORROWER),
            lender: AtomicU64::new(LENDER),
            lender_lives: AtomicBool::new(true),
            freed: AtomicUsize::new(0),
        })
    }

    /// As the heap's `give_up`: the borrower is done with it, or its reclaim is.
    fn give_up(&self) {
        let lives = |_: u64| self.lender_lives.load(Ordering::SeqCst);
        if !self.loans.give_back(&self.owner, &self.lender, &lives) {
            self.free();
        }
    }

    fn free(&self) {
        self.owner.store(0, Ordering::Release);
        self.freed.fetch_add(1, Ordering::SeqCst);
    }

    /// The lender dies and everything it owns is freed.
    fn reclaim_lender(&self) {
        self.lender_lives.store(false, Ordering::SeqCst);
        self.loans.settle();
        if self.owner.load(Ordering::Acquire) == LENDER {
            self.give_up();
        }
    }

    fn assert_freed_once(&self) {
        assert_eq!(self.freed.load(Ordering::SeqCst), 1, "lost, or freed twice");
    }
}

#[test]
fn a_lent_object_is_freed_once_when_both_end() {
    models::check(|| {
        let shared = Shared::new();
        let lender = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.reclaim_lender())
        };
        shared.give_up();
        lender.join().unwrap();
        shared.assert_freed_once();
    });
}

#[test]
fn a_lender_has_its_object_back_or_knows_that_it_has_not() {
    models::check(|| {
        let shared = Shared::new();
        let borrower = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.give_up())
        };
        let came_back = shared.loans.end(&shared.lender, false);
        if came_back {
            assert_eq!(shared.owner.load(Ordering::Acquire), LENDER);
            shared.free();
        }
        borrower.join().unwrap();
        if !came_back {
            // It came back afterwards: the lender looks once more.
            assert!(shared.loans.end(&shared.lender, false));
            shared.free();
        }
        shared.assert_freed_once();
    });
}

#[test]
fn a_forgiven_loan_is_the_borrowers_and_freed_once() {
    models::check(|| {
        let shared = Shared::new();
        let borrower = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.give_up())
        };
        if shared.loans.end(&shared.lender, true) {
            shared.free();
        }
        borrower.join().unwrap();
        shared.assert_freed_once();
    });
}
