//! Objects on loan, with a death at every step, against a model of owners.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use exchange::host::{Domain, adopt, die_here, objects_of, reclaim};
use exchange::{Loan, Proxy, RRefSlice, RpcResult, interface};
use proptest::prelude::*;

/// Keeps what it is handed until it is asked for it, drops it, or dies.
#[interface]
pub trait Borrower {
    /// Takes an object; dies with it if `fate` is 1.
    fn take(&self, object: RRefSlice<u8>, fate: u8) -> RpcResult<()>;
    /// Hands an object back; dies at it if `fate` is 1, drops it if 2.
    fn hand_back(&self, place: u64, fate: u8) -> RpcResult<Option<RRefSlice<u8>>>;
}

thread_local! {
    /// What the living borrower has. Forgotten, not dropped, when it dies.
    static HELD: RefCell<Vec<RRefSlice<u8>>> = const { RefCell::new(Vec::new()) };
}

struct Keeper;

impl Borrower for Keeper {
    fn take(&self, mut object: RRefSlice<u8>, fate: u8) -> RpcResult<()> {
        if fate == 1 {
            die_here();
        }
        object[1] ^= 0xFF;
        HELD.with_borrow_mut(|held| held.push(object));
        Ok(())
    }

    fn hand_back(&self, place: u64, fate: u8) -> RpcResult<Option<RRefSlice<u8>>> {
        let held = HELD.with_borrow_mut(|held| {
            (!held.is_empty()).then(|| held.swap_remove(place as usize % held.len()))
        });
        match fate {
            1 => {
                core::mem::forget(held);
                die_here()
            }
            2 => drop(held),
            _ => return Ok(held),
        }
        Ok(None)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Lend { fate: u8 },
    HandBack { place: u64, fate: u8 },
    TakeBack(usize),
    Forgive(usize),
    BorrowerDies,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop_oneof![5 => Just(0_u8), 1 => Just(1)].prop_map(|fate| Step::Lend { fate }),
        4 => (any::<u64>(), 0..3_u8).prop_map(|(place, fate)| Step::HandBack { place, fate }),
        3 => any::<usize>().prop_map(Step::TakeBack),
        1 => any::<usize>().prop_map(Step::Forgive),
        1 => Just(Step::BorrowerDies),
    ]
}

/// The lender's world: loans by the tag in each object's first byte.
struct World {
    lender: Domain,
    borrower: Domain,
    proxy: Proxy<dyn Borrower>,
    loans: Vec<(u8, Loan<RRefSlice<u8>>)>,
    /// Tags of objects the borrower has or dropped: (tag, it has come back).
    came_back: HashMap<u8, bool>,
    /// Objects that are the borrower's own since the loan was forgiven.
    forgiven: Vec<u8>,
    next: u8,
}

fn new_borrower() -> (Domain, Proxy<dyn Borrower>) {
    let borrower = Domain::new();
    let proxy = borrower.run(|| Proxy::export(Arc::new(Keeper) as Arc<dyn Borrower>));
    (borrower, adopt(proxy))
}

impl World {
    fn new(lender: Domain) -> Self {
        let (borrower, proxy) = new_borrower();
        Self {
            lender,
            borrower,
            proxy,
            loans: Vec::new(),
            came_back: HashMap::new(),
            forgiven: Vec::new(),
            next: 0,
        }
    }

    fn lend(&mut self, fate: u8) {
        let tag = self.next;
        self.next = self.next.wrapping_add(1);
        if self.came_back.contains_key(&tag) || self.forgiven.contains(&tag) {
            return;
        }
        let (object, loan) = Loan::new(RRefSlice::from_slice(&[tag, 0, 7])).unwrap();
        let object = Loan::new(object).expect_err("it is on loan already");
        let outcome = self.proxy.take(object, fate);
        self.loans.push((tag, loan));
        self.came_back.insert(tag, false);
        if outcome.is_err() {
            self.bury();
        }
    }

    /// The borrower is dead: everything on loan comes back.
    fn bury(&mut self) {
        self.borrower.die();
        HELD.with_borrow_mut(|held| {
            core::mem::take(held)
                .into_iter()
                .for_each(core::mem::forget)
        });
        reclaim(self.borrower.id());
        assert_eq!(objects_of(self.borrower.id()), 0, "the dead own nothing");
        self.came_back.values_mut().for_each(|back| *back = true);
        self.forgiven.clear();
        (self.borrower, self.proxy) = new_borrower();
    }

    fn hand_back(&mut self, place: u64, fate: u8) {
        let count = HELD.with_borrow(Vec::len);
        let tag = HELD.with_borrow(|held| held.get(place as usize % count.max(1)).map(|o| o[0]));
        match self.proxy.hand_back(place, fate) {
            Err(_) => self.bury(),
            Ok(None) => {
                // Dropped, or there was none: it comes back, if it was on loan.
                let Some(tag) = tag else { return };
                if let Some(back) = self.came_back.get_mut(&tag) {
                    *back = true;
                }
                self.forgiven.retain(|other| *other != tag);
            }
            Ok(Some(object)) => self.settle(object),
        }
    }

    /// Only the loan of this very object takes it.
    fn settle(&mut self, mut object: RRefSlice<u8>) {
        let tag = object[0];
        if self.forgiven.contains(&tag) {
            self.forgiven.retain(|other| *other != tag);
        }
        for (other, loan) in std::mem::take(&mut self.loans) {
            match loan.settle(object) {
                Ok(settled) => {
                    assert_eq!((other, settled[1], settled[2]), (tag, 0xFF, 7));
                    assert_eq!(self.came_back.remove(&tag), Some(false));
                    object = RRefSlice::from_slice(&[tag]);
                }
                Err((loan, unsettled)) => {
                    object = unsettled;
                    self.loans.push((other, loan));
                }
            }
        }
    }

    fn take_back(&mut self, place: usize) {
        if self.loans.is_empty() {
            return;
        }
        let (tag, loan) = self.loans.swap_remove(place % self.loans.len());
        match loan.take_back() {
            Ok(object) => {
                assert_eq!(object[0], tag);
                assert_eq!(
                    self.came_back.remove(&tag),
                    Some(true),
                    "it had not come back"
                );
            }
            Err(loan) => {
                assert!(!self.came_back[&tag], "it had come back");
                self.loans.push((tag, loan));
            }
        }
    }

    fn forgive(&mut self, place: usize) {
        if self.loans.is_empty() {
            return;
        }
        let (tag, loan) = self.loans.swap_remove(place % self.loans.len());
        drop(loan);
        if self.came_back.remove(&tag) == Some(false) {
            self.forgiven.push(tag);
        }
    }

    fn check(&self) {
        let away = self.came_back.values().filter(|back| !**back).count();
        let own = self.forgiven.len();
        assert_eq!(HELD.with_borrow(Vec::len), away + own);
        assert_eq!(objects_of(self.borrower.id()), away + own);
        let back = self.came_back.len() - away;
        // The other object of the lender's is the proxy.
        assert_eq!(objects_of(self.lender.id()), back + 1);
    }
}

fn run(steps: &[Step]) {
    let lender = Domain::new();
    lender.run(|| {
        let mut world = World::new(lender);
        for step in steps {
            match *step {
                Step::Lend { fate } => world.lend(fate),
                Step::HandBack { place, fate } => world.hand_back(place, fate),
                Step::TakeBack(place) => world.take_back(place),
                Step::Forgive(place) => world.forgive(place),
                Step::BorrowerDies => world.bury(),
            }
            world.check();
        }
        // The lender dies last: what is away stays its borrower's, and goes
        // with that one.
        let borrower = world.borrower;
        let away = objects_of(borrower.id());
        lender.die();
        core::mem::forget(world);
        reclaim(lender.id());
        assert_eq!(objects_of(lender.id()), 0);
        assert_eq!(objects_of(borrower.id()), away);
        borrower.die();
        HELD.with_borrow_mut(|held| {
            core::mem::take(held)
                .into_iter()
                .for_each(core::mem::forget)
        });
        reclaim(borrower.id());
        assert_eq!(objects_of(borrower.id()) + objects_of(lender.id()), 0);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_model(steps in prop::collection::vec(step(), 1..80)) {
        run(&steps);
    }
}

#[test]
fn a_death_at_every_step_of_a_batch_brings_all_back() {
    for death in 0..8 {
        let lender = Domain::new();
        lender.run(|| {
            let mut world = World::new(lender);
            for index in 0..8 {
                world.lend(u8::from(index == death));
                world.check();
            }
            world.bury();
            for _ in 0..8 {
                world.take_back(0);
            }
            assert!(world.loans.is_empty());
            world.check();
        });
    }
}
