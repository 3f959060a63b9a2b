//! Calls through a proxy that is held, as during a live upgrade.
#![expect(missing_docs, reason = "a test has no readers of documentation")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use exchange::host::{Domain, abandon, adopt, hold, objects_of, redirect};
use exchange::{Proxy, RRef, RpcResult, interface};

#[interface]
pub trait Register {
    /// Arguments and result in registers.
    fn add(&self, to: u64, what: u64) -> RpcResult<u64>;
    /// Both on the caller's stack.
    fn sum(&self, first: [u64; 4], into: &mut [u64]) -> RpcResult<[u64; 4]>;
    /// Moved there and back.
    fn mark(&self, object: RRef<u64>) -> RpcResult<RRef<u64>>;
}

/// Adds its number to whatever it is given.
struct Numbered {
    number: u64,
    calls: Arc<AtomicU64>,
}

impl Register for Numbered {
    fn add(&self, to: u64, what: u64) -> RpcResult<u64> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(to + what + self.number)
    }
    fn sum(&self, first: [u64; 4], into: &mut [u64]) -> RpcResult<[u64; 4]> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        into.fill(self.number);
        Ok(first.map(|one| one + self.number))
    }
    fn mark(&self, mut object: RRef<u64>) -> RpcResult<RRef<u64>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        *object += self.number;
        Ok(object)
    }
}

/// An object that is replaced, with the proxies of who replaces it.
struct Upgrade {
    /// What the caller has.
    given: Proxy<dyn Register>,
    old: Proxy<dyn Register>,
    new: Proxy<dyn Register>,
    old_domain: Domain,
    old_calls: Arc<AtomicU64>,
}

fn object(domain: Domain, number: u64) -> (Proxy<dyn Register>, Arc<AtomicU64>) {
    let calls = Arc::new(AtomicU64::new(0));
    let object = Arc::new(Numbered {
        number,
        calls: Arc::clone(&calls),
    });
    let proxy = domain.run(|| Proxy::export(object as Arc<dyn Register>));
    (adopt(proxy), calls)
}

impl Upgrade {
    fn new() -> Self {
        let old_domain = Domain::new();
        let (old, old_calls) = object(old_domain, 1000);
        let (new, _) = object(Domain::new(), 2000);
        Self {
            given: old.try_clone().unwrap(),
            old,
            new,
            old_domain,
            old_calls,
        }
    }
}

/// Makes a call while the proxy is held, which `end` then puts an end to: what the call
/// returned. It must not have come back, nor begun, before.
fn call_while_held<T: Send>(
    upgrade: Upgrade,
    call: impl FnOnce(&Proxy<dyn Register>) -> T + Send,
    end: impl FnOnce(&Proxy<dyn Register>, &Proxy<dyn Register>),
) -> T {
    let Upgrade {
        given,
        old,
        new,
        old_domain,
        old_calls,
    } = upgrade;
    assert_eq!(given.add(1, 2), Ok(1003));
    assert_eq!(hold(&old), 1);
    let caller = Domain::new();
    let is_back = AtomicBool::new(false);
    thread::scope(|scope| {
        let is_back = &is_back;
        let calling = scope.spawn(move || {
            let result = caller.run(|| {
                let given = adopt(given);
                let result = call(&given);
                // And once more, as if nothing had been.
                let _ = given.add(0, 0);
                result
            });
            is_back.store(true, Ordering::SeqCst);
            result
        });
        thread::sleep(Duration::from_millis(30));
        assert!(!is_back.load(Ordering::SeqCst), "the call did not wait");
        assert_eq!(old_calls.load(Ordering::SeqCst), 1, "the call was made");
        // Who holds the proxies calls the old object itself.
        assert_eq!(old.add(0, 0), Ok(1000));
        old_domain.die();
        end(&old, &new);
        let result = calling.join().unwrap();
        assert_eq!(objects_of(caller.id()), 0);
        result
    })
}

#[test]
fn a_call_that_was_held_is_made_on_the_successor_and_comes_back_as_any_other() {
    let words = call_while_held(Upgrade::new(), |given| given.add(3, 4), redirect);
    assert_eq!(words, Ok(2007));
    let frames = call_while_held(
        Upgrade::new(),
        |given| {
            let mut into = [0; 3];
            let sum = given.sum([1, 2, 3, 4], &mut into);
            (sum, into)
        },
        redirect,
    );
    assert_eq!(frames, (Ok([2001, 2002, 2003, 2004]), [2000; 3]));
    let moved = call_while_held(
        Upgrade::new(),
        |given| given.mark(RRef::new(5)).map(|object| *object),
        redirect,
    );
    assert_eq!(moved, Ok(2005));
}

#[test]
fn a_call_that_was_held_for_nobody_fails_and_leaves_its_arguments_to_the_caller() {
    let moved = call_while_held(
        Upgrade::new(),
        |given| given.mark(RRef::new(5)).map(|object| *object),
        |old, _| abandon(old),
    );
    assert!(moved.unwrap_err().is_domain_dead());
}
