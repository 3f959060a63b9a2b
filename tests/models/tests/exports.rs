//! Proxies are dropped, and their holders die, while others redirect them.
#![forbid(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use loom::thread;
use models::abi::exchange::ObjectKind;
use models::references::{Changes, References};

/// Owners of proxies.
const SUPERVISOR: u64 = 1;
const CALLER: u64 = 2;
const DYING: u64 = 3;

/// Exports: of the domain that died and of its successor.
const OLD: usize = 0;
const NEW: usize = 1;

/// Proxies: the supervisor's two, and those of two callers.
const FROM: usize = 0;
const TO: usize = 1;
const CALLERS: usize = 2;
const DYINGS: usize = 3;

/// An object on the exchange heap: its header's words, and what it refers to.
struct Proxy {
    owner: AtomicU64,
    kind: AtomicU32,
    export: AtomicUsize,
    /// Stands for the rest of it.
    payload: UnsafeCell<()>,
}

impl Proxy {
    fn new(owner: u64, export: usize) -> Self {
        Self {
            owner: AtomicU64::new(owner),
            kind: AtomicU32::new(ObjectKind::Proxy as u32),
            export: AtomicUsize::new(export),
            payload: UnsafeCell::new(()),
        }
    }
}

struct Export {
    references: References,
    is_freed: AtomicBool,
}

impl Export {
    fn new() -> Self {
        Self {
            references: References::new(),
            is_freed: AtomicBool::new(false),
        }
    }

    fn references(&self) -> &References {
        assert!(!self.is_freed.load(Ordering::Relaxed), "used when freed");
        &self.references
    }

    fn free(&self) {
        assert!(!self.is_freed.swap(true, Ordering::Relaxed), "freed twice");
    }
}

/// The heap, which is looked at without a lock, and the exports.
struct Shared {
    changes: Changes,
    proxies: [Proxy; 4],
    exports: [Export; 2],
}

impl Shared {
    fn new() -> Arc<Self> {
        let shared = Self {
            changes: Changes::new(),
            proxies: [
                Proxy::new(SUPERVISOR, OLD),
                Proxy::new(SUPERVISOR, NEW),
                Proxy::new(CALLER, OLD),
                Proxy::new(DYING, OLD),
            ],
            exports: [Export::new(), Export::new()],
        };
        let change = shared.changes.begin();
        for _ in [CALLERS, DYINGS] {
            change.add(&shared.exports[OLD].references);
        }
        drop(change);
        Arc::new(shared)
    }

    fn export_of(&self, proxy: usize) -> &Export {
        &self.exports[self.proxies[proxy].export.load(Ordering::Relaxed)]
    }

    /// As `export::release`: its holder drops it.
    fn release(&self, proxy: usize) {
        self.take_away(proxy);
        self.free(proxy);
    }

    /// As the heap's `reclaim` for what a dead domain owned: `export::forsake`, and
    /// the memory afterwards.
    fn reclaim(&self, owner: u64) {
        let owns = |proxy: &Proxy| proxy.owner.load(Ordering::Acquire) == owner;
        for proxy in 0..self.proxies.len() {
            if owns(&self.proxies[proxy]) {
                self.take_away(proxy);
                self.free(proxy);
            }
        }
    }

    fn take_away(&self, proxy: usize) {
        let change = self.changes.begin();
        let export = self.export_of(proxy);
        if change.take_away(&self.proxies[proxy].kind, export.references()) {
            export.free();
        }
    }

    fn free(&self, proxy: usize) {
        self.proxies[proxy].payload.with_mut(|_| ());
        self.proxies[proxy].owner.store(0, Ordering::Release);
    }

    /// Whether a look at the heap shows it as a proxy of an export.
    fn is_found(&self, proxy: &Proxy, export: usize) -> bool {
        proxy.owner.load(Ordering::Acquire) != 0
            && proxy.kind.load(Ordering::Acquire) == ObjectKind::Proxy as u32
            && proxy.export.load(Ordering::Relaxed) == export
    }

    /// As `export::redirect`.
    fn redirect(&self) {
        let change = self.changes.begin();
        let mut moved = 0;
        for (number, proxy) in self.proxies.iter().enumerate() {
            if number != FROM && self.is_found(proxy, OLD) {
                proxy.payload.with_mut(|_| ());
                proxy.export.store(NEW, Ordering::Relaxed);
                moved += 1;
            }
        }
        let [old, new] = &self.exports;
        change.redirect(moved, old.references(), new.references());
    }

    fn assert_freed(&self, export: usize, expected: bool) {
        let is_freed = self.exports[export].is_freed.load(Ordering::Relaxed);
        assert_eq!(is_freed, expected, "export {export}");
    }
}

#[test]
fn an_export_goes_with_its_last_proxy_when_a_holder_dies() {
    models::check(|| {
        let shared = Shared::new();
        let reaper = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.reclaim(DYING))
        };
        shared.redirect();
        reaper.join().unwrap();
        shared.assert_freed(OLD, false);
        shared.release(FROM);
        shared.assert_freed(OLD, true);
        shared.release(TO);
        shared.assert_freed(NEW, false);
        shared.release(CALLERS);
        shared.assert_freed(NEW, true);
    });
}

#[test]
fn an_export_goes_once_when_all_holders_end_at_once() {
    models::check(|| {
        let shared = Shared::new();
        let others = [CALLERS, DYINGS].map(|proxy| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.release(proxy))
        });
        shared.release(FROM);
        others.into_iter().for_each(|other| other.join().unwrap());
        shared.assert_freed(OLD, true);
        shared.assert_freed(NEW, false);
    });
}

#[test]
fn a_copy_of_a_proxy_keeps_the_export() {
    models::check(|| {
        let shared = Shared::new();
        let caller = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let change = shared.changes.begin();
                change.add(shared.export_of(CALLERS).references());
                drop(change);
                shared.release(CALLERS);
            })
        };
        shared.release(FROM);
        shared.reclaim(DYING);
        caller.join().unwrap();
        shared.assert_freed(OLD, false);
    });
}
