//! Slots are taken, ended, reclaimed and taken again while others look.
#![forbid(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use models::abi::services::DomainState;
use models::life::{Life, Table};
use models::sync::spin_until;
use models::tally::Tally;

/// A slot. Loom lets nobody use what is in the cells beside another, or without
/// seeing what the last one wrote.
struct Domain {
    life: Life,
    /// Stands for everything the domain has.
    memory: UnsafeCell<()>,
    devices: UnsafeCell<()>,
}

impl AsRef<Life> for Domain {
    fn as_ref(&self) -> &Life {
        &self.life
    }
}

impl Domain {
    /// As the kernel's `Domain::set_dead`: what it had is freed.
    fn reclaim(&self) {
        self.memory.with_mut(|_| ());
        self.life.set_dead();
    }
}

type Domains = Arc<Table<Domain>>;

fn create(table: &Table<Domain>) -> &'static Domain {
    let add = |index| -> Option<&'static Domain> {
        Some(Box::leak(Box::new(Domain {
            life: Life::new(index, 0, DomainState::Dead),
            memory: UnsafeCell::new(()),
            devices: UnsafeCell::new(()),
        })))
    };
    let domain = table.take_slot(add).expect("there is room");
    domain.memory.with_mut(|_| ());
    domain.life.begin();
    domain
}

/// A table whose only slot has a domain that its starter has let go of.
fn with_one() -> (Domains, &'static Domain) {
    let table = Table::new();
    let domain = create(&table);
    domain.life.let_go();
    (Arc::new(table), domain)
}

fn spawn<R: 'static>(
    table: &Domains,
    work: impl FnOnce(&Table<Domain>) -> R + 'static,
) -> thread::JoinHandle<R> {
    let table = Arc::clone(table);
    thread::spawn(move || work(&table))
}

#[test]
fn a_domain_is_found_whole_or_not_at_all() {
    models::check(|| {
        let table: Domains = Arc::new(Table::new());
        let creator = spawn(&table, |table| create(table).life.id());
        for domain in table.living() {
            domain.memory.with(|_| ());
        }
        let id = 1 << 16 | 1;
        if let Some(domain) = table.find(id) {
            domain.memory.with(|_| ());
            assert!(table.is_live(id), "it is there and cannot be called");
        }
        assert_eq!(creator.join().unwrap(), id);
    });
}

#[test]
fn an_end_is_neither_missed_nor_undone() {
    models::check(|| {
        let table: Domains = Arc::new(Table::new());
        let creator = spawn(&table, |table| create(table).life.run());
        // As the end of its parent, which looks for children.
        let ended = table.living().inspect(|domain| {
            assert!(
                domain.life.end(domain.life.id()),
                "it was alive and goes on"
            );
        });
        let ended = ended.count();
        creator.join().unwrap();
        let id = 1 << 16 | 1;
        assert_eq!(table.is_live(id), ended == 0);
        let state = table.find(id).expect("nobody reclaims it").life.state();
        let expected = [DomainState::Running, DomainState::Dying];
        assert_eq!(state, expected[ended]);
    });
}

#[test]
fn of_two_who_end_a_domain_one_does() {
    models::check(|| {
        let (table, domain) = with_one();
        let other = spawn(&table, |_| domain.life.end(domain.life.id()));
        assert_ne!(domain.life.end(domain.life.id()), other.join().unwrap());
    });
}

#[test]
fn a_dead_domain_is_not_taken_for_the_next_in_its_slot() {
    models::check(|| {
        let (table, first) = with_one();
        let id = first.life.id();
        let is_dead = Arc::new(AtomicBool::new(false));
        let successor = {
            let is_dead = Arc::clone(&is_dead);
            spawn(&table, move |table| {
                first.life.end(first.life.id());
                first.reclaim();
                is_dead.store(true, Ordering::Release);
                create(table);
            })
        };
        let was_dead = is_dead.load(Ordering::Acquire);
        let is_found = table.find(id).is_some();
        let is_live = table.is_live(id);
        assert!(!(was_dead && is_found), "waited for, though it is dead");
        assert!(!(was_dead && is_live), "called, though it is dead");
        successor.join().unwrap();
        assert!(!table.is_live(id));
    });
}

#[test]
fn who_ends_a_domain_does_not_end_the_next_in_its_slot() {
    models::check(|| {
        let (table, first) = with_one();
        let id = first.life.id();
        let successor = spawn(&table, move |table| {
            first.life.end(id).then(|| {
                first.reclaim();
                create(table).life.id()
            })
        });
        let has_ended = first.life.end(id);
        let next = successor.join().unwrap();
        assert_eq!(has_ended, next.is_none());
        assert!(
            next.is_none_or(|next| table.is_live(next)),
            "ended by mistake"
        );
    });
}

#[test]
fn a_slot_is_taken_by_one() {
    models::check(|| {
        let (table, domain) = with_one();
        domain.life.end(domain.life.id());
        domain.reclaim();
        let other = spawn(&table, |table| create(table).life.id());
        let id = create(&table).life.id();
        assert_ne!(id, other.join().unwrap());
    });
}

#[test]
fn a_slot_is_taken_when_it_is_reclaimed_and_let_go_of() {
    models::check(|| {
        let table = Table::new();
        let domain = create(&table);
        domain.life.end(domain.life.id());
        let table = Arc::new(table);
        let reaper = spawn(&table, |_| domain.reclaim());
        let starter = spawn(&table, |_| {
            // Reads how it ended, which is all it may still look at.
            domain.devices.with(|_| ());
            domain.life.let_go();
        });
        let next = create(&table);
        next.devices.with_mut(|_| ());
        reaper.join().unwrap();
        starter.join().unwrap();
    });
}

#[test]
fn who_leaves_a_dying_domain_waits_for_its_devices() {
    models::check(|| {
        let (table, domain) = with_one();
        let killer = spawn(&table, |_| {
            domain.life.end(domain.life.id());
            domain.devices.with_mut(|_| ());
            domain.life.set_quiet();
        });
        // As `crossing::wait_until_quiet`.
        if domain.life.slot().live.load(Ordering::Acquire) == 0 {
            spin_until(|| domain.life.is_quiet());
            domain.devices.with(|_| ());
        }
        killer.join().unwrap();
    });
}

#[test]
fn what_is_counted_late_for_a_dead_domain_is_not_the_next_ones() {
    models::check(|| {
        let tally = Arc::new(Tally::new());
        tally.begin(1);
        tally.add(1, 5);
        let late = {
            let tally = Arc::clone(&tally);
            thread::spawn(move || {
                tally.add(1, 3);
                tally.take_one(1);
            })
        };
        // The slot is taken again, and its next domain counts.
        tally.begin(2);
        tally.add(2, 1);
        assert_eq!(tally.get(), 1);
        late.join().unwrap();
        assert_eq!(tally.get(), 1);
    });
}
