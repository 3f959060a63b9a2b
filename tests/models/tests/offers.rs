//! A CPU's number is taken by one CPU, however late that and others come.
#![forbid(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use models::offer::Offer;

/// CPUs that are started.
const OFFERS: usize = 2;

/// What a CPU that is started and the one that starts it share.
struct Machine {
    offer: Offer,
    /// As `secondary::NUMBER`.
    number: AtomicUsize,
    /// As `cpu::online`; who looks for it over and over waits for it here.
    online: Mutex<usize>,
    has_come: Condvar,
    /// The stack of each CPU. Loom lets nobody use it beside another, or without seeing
    /// what the last one wrote.
    stacks: [UnsafeCell<()>; OFFERS + 1],
}

impl Machine {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            offer: Offer::new(),
            number: AtomicUsize::new(0),
            online: Mutex::new(1),
            has_come: Condvar::new(),
            stacks: [(); OFFERS + 1].map(UnsafeCell::new),
        })
    }

    /// As the start-up code, `secondary::enter` and `boot::run_secondary`; whether the
    /// CPU runs.
    fn come(&self) -> bool {
        let Some(stack) = self.offer.take() else {
            return false;
        };
        let number = self.number.load(Ordering::Relaxed);
        assert_eq!(stack, number, "another CPU's stack");
        self.stacks[stack].with_mut(|_| ());
        *self.online.lock().unwrap() = number + 1;
        self.has_come.notify_one();
        true
    }

    /// As `boot::start_others` with `secondary::start`, which gives up at any time; how
    /// many others run.
    fn start_others(&self) -> usize {
        for number in 1..=OFFERS {
            self.number.store(number, Ordering::Relaxed);
            // Stacks are prepared by the boot CPU.
            self.stacks[number].with_mut(|_| ());
            self.offer.make(number);
            if self.offer.is_over() || !self.offer.withdraw() {
                let mut online = self.online.lock().unwrap();
                while *online == number {
                    online = self.has_come.wait(online).unwrap();
                }
            } else {
                return number - 1;
            }
        }
        OFFERS
    }
}

/// Starts CPUs while as many as `coming` come, each of them when it likes.
fn check(coming: usize) {
    models::check(move || {
        let machine = Machine::new();
        let come = || {
            let machine = Arc::clone(&machine);
            thread::spawn(move || machine.come())
        };
        let comers: Vec<_> = (0..coming).map(|_| come()).collect();
        let started = machine.start_others();
        let running = comers.into_iter().map(|one| one.join().unwrap());
        assert_eq!(running.filter(|runs| *runs).count(), started);
    });
}

#[test]
fn who_comes_at_any_time_is_counted_on_or_stays_away() {
    check(1);
}

#[test]
fn two_that_come_at_once_do_not_share_a_number() {
    check(2);
}

#[test]
fn one_more_than_was_asked_for_stays_away() {
    check(3);
}
