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
    ticket: AtomicU64,
    /// As the domain's `held_look`.
    held: AtomicU64,
    /// Its memory. Loom lets nobody touch it beside another, or without seeing
    /// what the last one wrote.
    memory: UnsafeCell<u32>,
}

impl Victim {
    fn new() -> Self {
        Self {
            live: AtomicU64::new(1),
            ticket: AtomicU64::new(u64::MAX),
            held: AtomicU64::new(0),
            memory: UnsafeCell::new(0),
        }
    }

    fn touch(&self) {
        self.memory.with_mut(|_| ());
    }

    /// As `Domain::is_clear`.
    fn is_clear(&self, looked: u64) -> bool {
        looked > self.ticket.load(Ordering::SeqCst) && looked > self.held.load(Ordering::Relaxed)
    }
}

/// Two domains, and the CPU that is asked about them.
struct Machine {
    question: Question,
    victims: [Victim; 2],
    /// As the thread's.
    looked: AtomicU64,
    tickets: AtomicU64,
}

impl Machine {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            question: Question::new(),
            victims: [Victim::new(), Victim::new()],
            looked: AtomicU64::new(0),
            tickets: AtomicU64::new(0),
        })
    }

    /// As `scan::new_ticket`.
    fn new_ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The handler, outside of the stub; the thread executes in `inside`. As
    /// `scan::look_at`.
    fn interrupt(&self, inside: Option<usize>) {
        self.question.answer(|look| {
            if let Some(inside) = inside
                && self.victims[inside].live.load(Ordering::Relaxed) == 0
            {
                self.victims[inside].held.fetch_max(look, Ordering::Relaxed);
            }
            self.looked.fetch_max(look, Ordering::Release);
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

    /// As `Domain::set_dying`.
    fn kill(&self, which: usize) {
        let victim = &self.victims[which];
        victim.live.store(0, Ordering::SeqCst);
        victim.ticket.store(self.new_ticket(), Ordering::SeqCst);
    }

    /// As `scan::look_around`, which waits for an answer as long as it likes; then
    /// as `death::reclaim`.
    fn reap(&self) {
        self.question.ask(self.new_ticket());
        let looked = self.looked.load(Ordering::Acquire);
        for victim in self.victims.iter().filter(|one| one.is_clear(looked)) {
            victim.touch();
        }
    }
}

/// Runs what the reaper's CPU does beside what the CPU that is asked does.
fn check(reaper: fn(&Machine), asked: fn(&Machine)) {
    models::check(move || {
        let machine = Machine::new();
        let shared = Arc::clone(&machine);
        let thread = thread::spawn(move || reaper(&shared));
        asked(&machine);
        thread.join().unwrap();
    });
}

#[test]
fn who_is_marked_clear_of_a_death_is_clear() {
    check(
        |machine| {
            machine.kill(0);
            machine.reap();
        },
        |machine| {
            machine.interrupt(None);
            machine.cross(0);
            machine.interrupt(None);
        },
    );
}

#[test]
fn a_late_answer_is_not_taken_for_one_to_the_next_question() {
    check(
        |machine| {
            machine.kill(0);
            machine.reap();
            // As when its CPU was idle meanwhile.
            machine.question.withdraw();
            machine.kill(1);
            machine.reap();
        },
        |machine| machine.cross(1),
    );
}

#[test]
fn one_look_is_enough_for_all_who_died_before_it() {
    check(
        |machine| {
            machine.kill(0);
            machine.kill(1);
            machine.reap();
        },
        |machine| {
            machine.cross(0);
            machine.interrupt(None);
            machine.cross(1);
        },
    );
}
