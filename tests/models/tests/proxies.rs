//! Calls through a proxy while the domain called dies and gets a successor.
#![forbid(unsafe_code)]

use core::ptr;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use models::target::{Target, TargetCell};
use models::thread::DomainSlot;

/// Numbers that stand for the halves of the old and the new domain's object.
const OLD: [usize; 2] = [0x10, 0x20];
const NEW: [usize; 2] = [0x30, 0x40];

/// The proxy and the two domains.
struct Shared {
    proxy: TargetCell,
    old: DomainSlot,
    new: DomainSlot,
}

impl Shared {
    /// The old domain lives in its slot's generation 1.
    fn new() -> Arc<Self> {
        let slot = || DomainSlot {
            live: AtomicU64::new(0),
            id: AtomicU64::new(0),
            index: 0,
            rights: 0,
        };
        let shared = Arc::new(Self {
            proxy: TargetCell::new(Target {
                slot: ptr::null(),
                generation: 0,
                data: ptr::null(),
                table: ptr::null(),
            }),
            old: slot(),
            new: slot(),
        });
        shared.old.live.store(1, Ordering::SeqCst);
        shared.proxy.write(&target(&shared.old, 1, OLD));
        shared
    }

    /// A crossing, up to the stub's check: whether it enters the old domain, or
    /// whoever has its slot now, and with which object.
    fn call(&self) -> Option<(bool, [usize; 2])> {
        let target = self.proxy.read();
        let is_old = ptr::eq(target.slot, &raw const self.old);
        let slot = if is_old { &self.old } else { &self.new };
        // The stub compares with a plain load.
        let is_live = slot.live.load(Ordering::Relaxed) == target.generation;
        is_live.then(|| (is_old, [target.data.addr(), target.table.addr()]))
    }
}

fn target(slot: &DomainSlot, generation: u64, object: [usize; 2]) -> Target {
    Target {
        slot,
        generation,
        data: ptr::without_provenance(object[0]),
        table: ptr::without_provenance(object[1]),
    }
}

/// The domain dies and its successor, whose slot's generation is `generation`,
/// takes over.
fn replace(shared: &Shared, generation: u64) {
    shared.old.live.store(0, Ordering::SeqCst);
    shared.new.live.store(generation, Ordering::SeqCst);
    shared.proxy.write(&target(&shared.new, generation, NEW));
}

fn assert_whole(entered: Option<(bool, [usize; 2])>) {
    if let Some((is_old, object)) = entered {
        let expected = if is_old { OLD } else { NEW };
        assert_eq!(object, expected, "the object of another domain");
    }
}

#[test]
fn a_call_enters_a_domain_with_its_own_object() {
    // The same generation in both slots is the case in which the check of the
    // generation alone would not do.
    for generation in [1, 2] {
        models::check(move || {
            let shared = Shared::new();
            let killer = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || replace(&shared, generation))
            };
            assert_whole(shared.call());
            killer.join().unwrap();
            assert_eq!(shared.call(), Some((false, NEW)));
        });
    }
}

#[test]
fn a_call_never_enters_who_has_the_old_slot_next() {
    models::check(|| {
        let shared = Shared::new();
        // Dead before the call, so nobody may be entered by the old slot.
        shared.old.live.store(0, Ordering::SeqCst);
        let supervisor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                // A stranger starts in the old slot, by chance in the generation
                // that the successor has in its own.
                shared.old.live.store(2, Ordering::SeqCst);
                shared.new.live.store(2, Ordering::SeqCst);
                shared.proxy.write(&target(&shared.new, 2, NEW));
            })
        };
        let entered = shared.call();
        assert!(entered.is_none_or(|(is_old, object)| !is_old && object == NEW));
        supervisor.join().unwrap();
    });
}

#[test]
fn a_held_call_enters_nobody_until_it_is_led_elsewhere() {
    models::check(|| {
        let shared = Shared::new();
        let upgrader = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.proxy.hold();
                replace(&shared, 1);
            })
        };
        let first = shared.call();
        let second = shared.call();
        assert_whole(first);
        assert_whole(second);
        let went_back =
            first.is_some_and(|(is_old, _)| !is_old) && second.is_some_and(|(is_old, _)| is_old);
        assert!(
            !went_back,
            "a call entered the old domain after the new one"
        );
        upgrader.join().unwrap();
    });
}
