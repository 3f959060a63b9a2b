//! Random programs over several domains, with a death at every step, against a
//! model of who owns what.
//!
//! Each domain holds handles in a private box that is forgotten, not dropped,
//! when the domain dies: no destructor of a dead domain runs. Reclaim then
//! frees by header, and what is left must be exactly what the model expects.
#![expect(missing_docs, reason = "a test has no readers of documentation")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use exchange::host::{Domain, adopt, die_here, objects_of, reclaim};
use exchange::{Exchangeable, Proxy, RRef, RRefDeque, RRefSlice, RpcResult, interface};
use proptest::prelude::*;

const DOMAINS: usize = 4;

/// A value with references of every kind in it.
#[derive(Exchangeable, Debug)]
#[repr(C)]
pub struct Node {
    tag: u64,
    data: RRefSlice<u16>,
    leaf: Option<RRef<u64>>,
    queue: RRefDeque<Leaf, 3>,
    pair: [Option<RRef<u8>>; 2],
    service: Option<Proxy<dyn Service>>,
}

#[derive(Exchangeable, Debug)]
#[repr(C)]
pub struct Leaf {
    small: u8,
    deep: RRef<(u8, RRefSlice<u32>)>,
}

/// What a call does with a node besides passing it.
#[derive(Exchangeable, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Fate {
    Keep,
    Return,
    Drop,
    DieHolding,
    DieAfterDrop,
}

#[interface]
pub trait Service {
    fn pass(&self, node: RRef<Node>, fate: Fate) -> RpcResult<Option<RRef<Node>>>;
    fn by_value(&self, node: Node, fate: Fate) -> RpcResult<Result<Node, u8>>;
    fn sum(&self, data: &[u16], scratch: &mut [u8], fate: Fate) -> RpcResult<u64>;
}

thread_local! {
    /// What the service of each domain kept, by domain number.
    static KEPT: RefCell<[VecDeque<RRef<Node>>; DOMAINS]> = const {
        RefCell::new([const { VecDeque::new() }; DOMAINS])
    };
}

struct Keeper(usize);

impl Service for Keeper {
    fn pass(&self, node: RRef<Node>, fate: Fate) -> RpcResult<Option<RRef<Node>>> {
        match fate {
            Fate::Keep => KEPT.with_borrow_mut(|kept| kept[self.0].push_back(node)),
            Fate::Return => return Ok(Some(node)),
            Fate::Drop => drop(node),
            Fate::DieHolding => die_here(),
            Fate::DieAfterDrop => {
                drop(node);
                die_here()
            }
        }
        Ok(None)
    }

    fn by_value(&self, node: Node, fate: Fate) -> RpcResult<Result<Node, u8>> {
        match fate {
            Fate::Return => Ok(Ok(node)),
            Fate::DieHolding => die_here(),
            Fate::DieAfterDrop => {
                drop(node);
                die_here()
            }
            Fate::Keep | Fate::Drop => Ok(Err(7)),
        }
    }

    fn sum(&self, data: &[u16], scratch: &mut [u8], fate: Fate) -> RpcResult<u64> {
        scratch.fill(1);
        if fate == Fate::DieHolding {
            die_here()
        }
        Ok(data.iter().map(|&value| u64::from(value)).sum())
    }
}

/// How a node is built; its number of objects follows.
#[derive(Clone, Debug)]
struct Shape {
    data: usize,
    leaf: bool,
    queue: usize,
    pops: usize,
    pair: [bool; 2],
    service: bool,
}

impl Shape {
    fn build(&self, tag: u64, service: &Proxy<dyn Service>) -> Node {
        let mut queue = RRefDeque::new();
        // Pops in between leave vacant places in the ring.
        for index in 0..self.queue + self.pops {
            if index >= self.queue {
                assert!(queue.pop_front().is_some());
            }
            let deep = RRef::new((1, RRefSlice::zeroed(5)));
            assert!(queue.push_back(Leaf { small: 2, deep }).is_ok());
        }
        Node {
            tag,
            data: RRefSlice::from_fn(self.data, |index| index as u16),
            leaf: self.leaf.then(|| RRef::new(tag)),
            queue,
            pair: self.pair.map(|is_there| is_there.then(|| RRef::new(9))),
            service: self.service.then(|| service.try_clone().unwrap()),
        }
    }

    /// Objects of a node that is passed by value.
    fn objects(&self) -> usize {
        let flags = [self.leaf, self.pair[0], self.pair[1], self.service];
        2 + 2 * self.queue + flags.iter().filter(|&&flag| flag).count()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Make { domain: usize, shape: Shape },
    Drop { domain: usize },
    Pass { from: usize, to: usize, fate: Fate },
    PassByValue { from: usize, to: usize, fate: Fate },
    Lend { from: usize, to: usize, fate: Fate },
    Forget { domain: usize },
    Die { domain: usize },
}

fn shape() -> impl Strategy<Value = Shape> {
    (
        0..20_usize,
        any::<bool>(),
        1..3_usize,
        0..5_usize,
        any::<[bool; 2]>(),
        any::<bool>(),
    )
        .prop_map(|(data, leaf, queue, pops, pair, service)| Shape {
            data,
            leaf,
            queue,
            pops,
            pair,
            service,
        })
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Keep),
        4 => Just(Fate::Return),
        2 => Just(Fate::Drop),
        1 => Just(Fate::DieHolding),
        1 => Just(Fate::DieAfterDrop),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let domain = || 0..DOMAINS;
    prop_oneof![
        6 => (domain(), shape()).prop_map(|(domain, shape)| Step::Make { domain, shape }),
        2 => domain().prop_map(|domain| Step::Drop { domain }),
        6 => (domain(), domain(), fate()).prop_map(|(from, to, fate)| Step::Pass { from, to, fate }),
        3 => (domain(), domain(), fate()).prop_map(|(from, to, fate)| Step::PassByValue { from, to, fate }),
        2 => (domain(), domain(), fate()).prop_map(|(from, to, fate)| Step::Lend { from, to, fate }),
        1 => domain().prop_map(|domain| Step::Forget { domain }),
        1 => domain().prop_map(|domain| Step::Die { domain }),
    ]
}

/// One domain of the program under test, with what the model says about it.
struct Player {
    domain: Domain,
    /// Held by the "supervisor", a domain that never dies.
    service: Proxy<dyn Service>,
    /// Handles, oldest first, each with its shape.
    held: VecDeque<(RRef<Node>, Shape)>,
    /// Shapes of what the service kept, and objects leaked on purpose.
    kept: VecDeque<Shape>,
    leaked: usize,
}

impl Player {
    fn new(number: usize) -> Self {
        let domain = Domain::new();
        let service = domain.run(|| Proxy::export(Arc::new(Keeper(number)) as Arc<dyn Service>));
        Self {
            domain,
            service: adopt(service),
            held: VecDeque::new(),
            kept: VecDeque::new(),
            leaked: 0,
        }
    }

    fn expected(&self) -> usize {
        let held: usize = self.held.iter().map(|(_, shape)| 1 + shape.objects()).sum();
        let kept: usize = self.kept.iter().map(|shape| 1 + shape.objects()).sum();
        held + kept + self.leaked
    }
}

fn check(players: &[Player]) {
    for player in players {
        assert_eq!(objects_of(player.domain.id()), player.expected());
    }
}

/// Ends a domain: its handles vanish without destructors, its objects are
/// reclaimed, and a new domain takes its place.
fn bury(players: &mut [Player], number: usize, lost: usize) {
    let player = &mut players[number];
    player.domain.die();
    std::mem::forget(std::mem::take(&mut player.held));
    KEPT.with_borrow_mut(|kept| std::mem::forget(std::mem::take(&mut kept[number])));
    let kept: usize = player.kept.iter().map(|shape| 1 + shape.objects()).sum();
    let reclaimed = reclaim(player.domain.id());
    assert!(reclaimed >= kept + player.leaked + lost);
    assert_eq!(objects_of(player.domain.id()), 0);
    assert!(player.service.pass_nothing().is_err());
    players[number] = Player::new(number);
}

trait PassNothing {
    fn pass_nothing(&self) -> RpcResult<u64>;
}

impl PassNothing for Proxy<dyn Service> {
    fn pass_nothing(&self) -> RpcResult<u64> {
        self.sum(&[1, 2], &mut [0], Fate::Return)
    }
}

fn pass(players: &mut [Player], from: usize, to: usize, fate: Fate) {
    let Some((node, shape)) = players[from].held.pop_front() else {
        return;
    };
    let (tag, proxy) = (node.tag, &players[to].service);
    let result = players[from].domain.run(|| proxy.pass(node, fate));
    match (fate, result) {
        (Fate::Keep, Ok(None)) => players[to].kept.push_back(shape),
        (Fate::Return, Ok(Some(node))) => {
            assert_eq!(node.tag, tag);
            players[from].held.push_back((node, shape));
        }
        (Fate::Drop, Ok(None)) => {}
        (Fate::DieHolding, Err(_)) if from != to => bury(players, to, 1 + shape.objects()),
        (Fate::DieHolding | Fate::DieAfterDrop, Err(_)) => bury(players, to, 0),
        (fate, result) => panic!("{fate:?} came to {result:?}"),
    }
}

fn pass_by_value(players: &mut [Player], from: usize, to: usize, fate: Fate) {
    let Some((node, shape)) = players[from].held.pop_front() else {
        return;
    };
    let proxy = &players[to].service;
    let result = players[from]
        .domain
        .run(|| proxy.by_value(node.into_inner(), fate));
    match (fate, result) {
        (Fate::Return, Ok(Ok(node))) => {
            let node = players[from].domain.run(|| RRef::new(node));
            players[from].held.push_back((node, shape));
        }
        (Fate::Keep | Fate::Drop, Ok(Err(7))) => {}
        (Fate::DieHolding, Err(_)) if from != to => bury(players, to, shape.objects()),
        (Fate::DieHolding | Fate::DieAfterDrop, Err(_)) => bury(players, to, 0),
        (fate, result) => panic!("{fate:?} came to {result:?}"),
    }
}

fn lend(players: &mut [Player], from: usize, to: usize, fate: Fate) {
    let Some((node, _)) = players[from].held.front() else {
        return;
    };
    let mut scratch = [0; 3];
    let proxy = &players[to].service;
    let result = players[from]
        .domain
        .run(|| proxy.sum(&node.data, &mut scratch, fate));
    assert_eq!(scratch, [1; 3]);
    match result {
        Ok(sum) => assert_eq!(sum, node.data.iter().map(|&value| u64::from(value)).sum()),
        Err(error) => {
            assert!(error.is_domain_dead() && fate == Fate::DieHolding);
            bury(players, to, 0);
        }
    }
}

fn run(steps: Vec<Step>) {
    let supervisor = Domain::new();
    supervisor.run(|| {
        KEPT.with_borrow_mut(|kept| *kept = [const { VecDeque::new() }; DOMAINS]);
        let mut players: Vec<Player> = (0..DOMAINS).map(Player::new).collect();
        for (tag, step) in steps.into_iter().enumerate() {
            match step {
                Step::Make { domain, shape } => {
                    let proxy = &players[(domain + 1) % DOMAINS].service;
                    let make = || RRef::new(shape.build(tag as u64, proxy));
                    let node = players[domain].domain.run(make);
                    players[domain].held.push_back((node, shape));
                }
                Step::Drop { domain } => {
                    let node = players[domain].held.pop_front();
                    players[domain].domain.run(|| drop(node));
                }
                Step::Pass { from, to, fate } => pass(&mut players, from, to, fate),
                Step::PassByValue { from, to, fate } => pass_by_value(&mut players, from, to, fate),
                Step::Lend { from, to, fate } => lend(&mut players, from, to, fate),
                Step::Forget { domain } => {
                    if let Some((node, shape)) = players[domain].held.pop_back() {
                        std::mem::forget(node);
                        players[domain].leaked += 1 + shape.objects();
                    }
                }
                Step::Die { domain } => bury(&mut players, domain, 0),
            }
            check(&players);
        }
        for number in 0..DOMAINS {
            bury(&mut players, number, 0);
        }
    });
    // The supervisor dropped the proxies it held itself.
    assert_eq!(objects_of(supervisor.id()), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reclaim_leaves_exactly_what_lives(steps in prop::collection::vec(step(), 1..60)) {
        run(steps);
    }

    /// The same program cut off by a death after each of its steps.
    #[test]
    fn death_at_every_step(steps in prop::collection::vec(step(), 1..16), victim in 0..DOMAINS) {
        for cut in 1..=steps.len() {
            let mut cut_off = steps[..cut].to_vec();
            cut_off.push(Step::Die { domain: victim });
            cut_off.extend_from_slice(&steps[cut..]);
            run(cut_off);
        }
    }
}
