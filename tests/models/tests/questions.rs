//! A thread marked clear of a death never touches the dead domain again.
#![forbid(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use models::question::Question;

/// A domain that a thread of another CPU may enter.
struct Victim {
    /// As `DomainSlot::live`.
    live: AtomicU64,
    /// As the domain's `death_ticket`.
    number: AtomicU64,
    /// Its memory. Loom lets nobody touch it beside another, or without seeing
    /// what the last one wrote.
    memory: UnsafeCell<u32>,
}

impl Victim {
    fn new() -> Self {
        Self {
            live: AtomicU64::new(1),
            number: AtomicU64::new(0),
            memory: UnsafeCell::new(0),
        }
    }

    fn touch(&self) {
        self.memory.with_mut(|_| ());
    }
}

/// Two domains, and the CPU that is asked about them. The address of a domain is
/// its index plus 1.
struct Machine {
    question: Question,
    victims: [Victim; 2],
    clear_of: AtomicU64,
}

impl Machine {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            question: Question::new(),
            victims: [Victim::new(), Victim::new()],
            clear_of: AtomicU64::new(0),
        })
    }

    /// The handler, outside of the stub; the thread executes in `inside`.
    fn interrupt(&self, inside: Option<usize>) {
        self.question.answer(|about| {
            if inside != Some(about - 1) {
                let number = self.victims[about - 1].number.load(Ordering::SeqCst);
                self.clear_of.store(number, Ordering::Release);
            }
        });
    }

    /// A crossing. Nothing is answered between the check and the link: that is in
    /// the stub.
    fn cross(&self, into: usize) {
        if self.victims[into].live.load(Ordering::Acquire) == 1 {
            self.interrupt(Some(into));
            self.victims[into].touch();
        }
    }

    /// As `Domain::set_dying` and `scan::is_held`, which waits for an answer as
    /// long as it likes; then as `death::reclaim`.
    fn kill(&self, which: usize) {
        let victim = &self.victims[which];
        let number = which as u64 + 1;
        victim.live.store(0, Ordering::SeqCst);
        victim.number.store(number, Ordering::SeqCst);
        self.question.ask(which + 1);
        self.question.withdraw();
        if self.clear_of.load(Ordering::Acquire) == number {
            victim.touch();
        }
    }
}

#[test]
fn who_is_marked_clear_of_a_death_is_clear() {
    models::check(|| {
        let machine = Machine::new();
        let reaper = {
            let machine = Arc::clone(&machine);
            thread::spawn(move || machine.kill(0))
        };
        machine.interrupt(None);
        machine.cross(0);
        machine.interrupt(None);
        reaper.join().unwrap();
    });
}

#[test]
fn a_late_answer_is_not_taken_for_one_to_the_next_question() {
    models::check(|| {
        let machine = Machine::new();
        let reaper = {
            let machine = Arc::clone(&machine);
            thread::spawn(move || {
                machine.kill(0);
                machine.kill(1);
            })
        };
        machine.cross(1);
        reaper.join().unwrap();
    });
}
