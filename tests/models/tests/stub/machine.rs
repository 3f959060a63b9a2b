//! What the CPUs share, and the CPU that kills and reclaims.

use std::sync::atomic::AtomicU64 as Plain;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use models::abi::services::DomainState;
use models::abi::thread::generation_of;
use models::life::Life;
use models::question::Question;

use crate::scenario::{DOMAINS, FIRST_COUNT, FIRST_LIFE};

pub struct Domain {
    pub life: Life,
    /// As the kernel's domains have it.
    death_ticket: AtomicU64,
    pub held_look: AtomicU64,
    /// Its image and heap. Loom lets nobody touch them without seeing what was last
    /// done to them.
    memory: UnsafeCell<()>,
    /// Whose they are, of the slot's domains.
    owner: Plain,
}

/// What the CPUs share.
pub struct Machine {
    pub domains: [Domain; DOMAINS],
    pub question: Question,
    /// As the thread's.
    pub looked: AtomicU64,
    tickets: AtomicU64,
    pub interrupt: AtomicBool,
}

impl Machine {
    pub fn new() -> Self {
        let domain = |index| Domain {
            life: Life::new(index, FIRST_COUNT, DomainState::Running),
            death_ticket: AtomicU64::new(u64::MAX),
            held_look: AtomicU64::new(0),
            memory: UnsafeCell::new(()),
            owner: Plain::new(FIRST_LIFE),
        };
        Self {
            domains: [0, 1, 2].map(domain),
            question: Question::new(),
            looked: AtomicU64::new(0),
            tickets: AtomicU64::new(0),
            interrupt: AtomicBool::new(false),
        }
    }

    pub fn live(&self, which: usize) -> u64 {
        self.domains[which].life.slot().live.load(Ordering::Acquire)
    }

    /// As `scan::new_ticket`.
    fn new_ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// As `Machine::wake_cpu`. It comes after what was written before, for whoever
    /// looks; a mere store might come before the last look.
    fn interrupt_cpu(&self) {
        self.interrupt.swap(true, Ordering::AcqRel);
    }

    /// As `death::begin`.
    pub fn kill(&self, which: usize) {
        let domain = &self.domains[which];
        assert!(domain.life.end(domain.life.id()));
        let ticket = self.new_ticket();
        domain.death_ticket.store(ticket, Ordering::SeqCst);
        self.interrupt_cpu();
        domain.life.set_quiet();
    }

    /// As `scan::look_around`, which may go on at once, and `death::reclaim`; then
    /// there is another domain in the slot.
    pub fn reap(&self, killed: &[usize]) {
        self.question.ask(self.new_ticket());
        self.interrupt_cpu();
        let looked = self.looked.load(Ordering::Acquire);
        let killed = killed.iter().map(|which| &self.domains[*which]);
        for domain in killed.filter(|domain| domain.is_clear(looked)) {
            domain.memory.with_mut(|_| ());
            domain.owner.fetch_add(1, Ordering::Relaxed);
            domain.death_ticket.store(u64::MAX, Ordering::SeqCst);
            let live = &domain.life.slot().live;
            live.store(generation_of(FIRST_COUNT + 1, 0), Ordering::Release);
        }
    }
}

impl Domain {
    /// As the kernel's.
    fn is_clear(&self, looked: u64) -> bool {
        looked > self.death_ticket.load(Ordering::SeqCst)
            && looked > self.held_look.load(Ordering::Relaxed)
    }

    pub fn touch(&self) {
        self.memory.with(|_| ());
        let owner = self.owner.load(Ordering::Relaxed);
        assert_eq!(owner, FIRST_LIFE, "another's memory is touched");
    }
}
