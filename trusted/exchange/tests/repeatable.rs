//! Calls that are made again on the successor of a domain that died.
#![expect(missing_docs, reason = "a test has no readers of documentation")]
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use exchange::host::{Domain, abandon, adopt, die_here, objects_of, promise, reclaim, redirect};
use exchange::{Proxy, RRef, RpcError, RpcResult, interface};

#[interface]
pub trait Store {
    #[repeatable]
    fn nothing(&self) -> RpcResult<()>;
    /// Its arguments travel in registers.
    #[repeatable]
    fn fill(&self, value: u64, into: &mut [u8]) -> RpcResult<u64>;
    /// They lie in the frame, and so does the result.
    #[repeatable]
    fn sum(&self, a: u64, b: &[u64], c: &str, into: &mut [u8]) -> RpcResult<Result<[u64; 4], u32>>;
    /// Its result moves.
    #[repeatable]
    fn make(&self, value: u64) -> RpcResult<RRef<u64>>;
    fn once(&self, value: u64) -> RpcResult<u64>;
}

/// What outlives every domain: how many deaths are left to die.
#[derive(Default)]
struct Fate {
    deaths: AtomicU64,
    calls: AtomicU64,
}

struct Mortal {
    fate: Arc<Fate>,
    domain: Domain,
    died: mpsc::Sender<Domain>,
}

impl Mortal {
    /// Dies in the middle of a call, if it is to.
    fn live(&self) {
        self.fate.calls.fetch_add(1, Ordering::SeqCst);
        let fewer = |left: u64| left.checked_sub(1);
        let is_to_die = self
            .fate
            .deaths
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
        if is_to_die.is_ok() {
            self.domain.die();
            // The supervisor may be gone at the end of a test.
            let _ = self.died.send(self.domain);
            die_here()
        }
    }
}

impl Store for Mortal {
    fn nothing(&self) -> RpcResult<()> {
        self.live();
        Ok(())
    }

    fn fill(&self, value: u64, into: &mut [u8]) -> RpcResult<u64> {
        let (first, rest) = into.split_at_mut(1);
        first.fill(value as u8);
        self.live();
        rest.fill(value as u8);
        Ok(value + 1)
    }

    fn sum(&self, a: u64, b: &[u64], c: &str, into: &mut [u8]) -> RpcResult<Result<[u64; 4], u32>> {
        into.fill(1);
        self.live();
        into.fill(2);
        Ok(Ok([a, b.iter().sum(), c.len() as u64, into.len() as u64]))
    }

    fn make(&self, value: u64) -> RpcResult<RRef<u64>> {
        let made = RRef::new(value);
        self.live();
        Ok(made)
    }

    fn once(&self, value: u64) -> RpcResult<u64> {
        self.live();
        Ok(value)
    }
}

/// What a supervisor does about a death.
#[derive(Clone, Copy, PartialEq)]
enum Policy {
    /// It starts a successor, as it promised.
    Promised,
    /// It starts a successor, which it promised nobody.
    Plain,
    /// It breaks its promise.
    GivesUp,
}

/// An object whose domain dies so often.
fn store(deaths: u64, policy: Policy) -> (Proxy<dyn Store>, Arc<Fate>) {
    let fate = Arc::new(Fate::default());
    fate.deaths.store(deaths, Ordering::SeqCst);
    let (died, all) = mpsc::channel::<Domain>();
    let start = {
        let fate = Arc::clone(&fate);
        move || {
            let domain = Domain::new();
            let (fate, died) = (Arc::clone(&fate), died.clone());
            let store = Arc::new(Mortal { fate, domain, died });
            let object = adopt(domain.run(|| Proxy::export(store as Arc<dyn Store>)));
            if policy != Policy::Plain {
                promise(&object);
            }
            object
        }
    };
    let home = Domain::new();
    let mut first = home.run(&start);
    let given = adopt(first.try_clone().unwrap());
    thread::spawn(move || {
        while let Ok(dead) = all.recv() {
            // Callers wait meanwhile.
            thread::sleep(std::time::Duration::from_millis(1));
            reclaim(dead.id());
            assert_eq!(objects_of(dead.id()), 0);
            if policy == Policy::GivesUp {
                abandon(&first);
                continue;
            }
            let second = home.run(&start);
            redirect(&first, &second);
            first = second;
        }
    });
    (given, fate)
}

#[test]
fn calls_are_made_again_with_all_their_arguments() {
    for deaths in 0..2 {
        let again = |call: &dyn Fn(&Proxy<dyn Store>)| {
            let (store, fate) = store(deaths, Policy::Promised);
            call(&store);
            assert_eq!(fate.calls.load(Ordering::SeqCst), deaths + 1);
            assert_eq!(fate.deaths.load(Ordering::SeqCst), 0);
        };
        again(&|store| store.nothing().unwrap());
        again(&|store| {
            let mut bytes = [0; 5];
            assert_eq!(store.fill(7, &mut bytes), Ok(8));
            assert_eq!(bytes, [7; 5]);
        });
        again(&|store| {
            let mut bytes = [0; 9];
            let sum = store.sum(1 << 40, &[5, 6], "four", &mut bytes);
            assert_eq!(sum, Ok(Ok([1 << 40, 11, 4, 9])));
            assert_eq!(bytes, [2; 9]);
        });
        again(&|store| assert_eq!(*store.make(9).unwrap(), 9));
    }
}

#[test]
fn a_call_to_a_dead_domain_waits_for_its_successor() {
    let (store, fate) = store(1, Policy::Promised);
    assert!(matches!(store.once(1), Err(RpcError::DomainDead { .. })));
    assert_eq!(store.fill(1, &mut [0; 2]), Ok(2));
    assert_eq!(fate.calls.load(Ordering::SeqCst), 2);
}

#[test]
fn without_a_promise_a_caller_sees_the_death() {
    let (store, fate) = store(1, Policy::Plain);
    let mut bytes = [0; 3];
    let seen = store.fill(7, &mut bytes);
    assert!(matches!(seen, Err(RpcError::DomainDead { .. })));
    assert_eq!(bytes, [7, 0, 0]);
    assert_eq!(fate.calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_broken_promise_ends_the_wait() {
    let (store, _fate) = store(1, Policy::GivesUp);
    assert!(store.nothing().is_err_and(RpcError::is_domain_dead));
    // Also for who comes later.
    assert!(store.nothing().is_err_and(RpcError::is_domain_dead));
}

#[test]
fn a_call_that_kills_everybody_is_given_up() {
    let (store, fate) = store(u64::MAX, Policy::Promised);
    assert!(store.nothing().is_err_and(RpcError::is_domain_dead));
    assert_eq!(fate.calls.load(Ordering::SeqCst), 2);
}
