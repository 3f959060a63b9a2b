//! Shadows die, and drivers below, under a client with a shadow of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use exchange::host::{Domain, adopt, die_here, objects_of, promise, reclaim, redirect};
use exchange::{Proxy, RpcResult};
use interfaces::block::{
    BlockBatch, BlockDevice, BlockError, BlockOperation, BlockRequest, BlockStatus, Geometry,
};
use proptest::prelude::*;
use shadow_block::Shadow;

use super::{Medium, SECTOR, Step, drivers, over, request, step, work};

/// A shadow in a domain that dies after so many points: before and after each call.
struct MortalShadow {
    shadow: Shadow,
    domain: Domain,
    left: Mutex<Option<usize>>,
    deaths: Arc<AtomicUsize>,
    died: mpsc::Sender<Domain>,
}

impl MortalShadow {
    fn point(&self) {
        let is_over = {
            let mut left = self.left.lock().unwrap();
            let is_over = *left == Some(0);
            *left = left.and_then(|points| points.checked_sub(1));
            is_over
        };
        if is_over {
            self.deaths.fetch_add(1, Ordering::SeqCst);
            self.domain.die();
            // The supervisor may be gone at the end of a test.
            let _ = self.died.send(self.domain);
            die_here()
        }
    }

    fn between<T>(&self, call: impl FnOnce(&Shadow) -> RpcResult<T>) -> RpcResult<T> {
        self.point();
        let answer = call(&self.shadow);
        self.point();
        answer
    }
}

impl BlockDevice for MortalShadow {
    fn geometry(&self) -> RpcResult<Geometry> {
        self.between(|shadow| shadow.geometry())
    }

    fn read(&self, sector: u64, into: &mut [u8]) -> RpcResult<Result<(), BlockError>> {
        self.between(|shadow| shadow.read(sector, into))
    }

    fn write(&self, sector: u64, from: &[u8]) -> RpcResult<Result<(), BlockError>> {
        self.between(|shadow| shadow.write(sector, from))
    }

    fn flush(&self) -> RpcResult<Result<(), BlockError>> {
        self.between(|shadow| shadow.flush())
    }

    fn submit(&self, batch: BlockBatch) -> RpcResult<BlockBatch> {
        self.between(|shadow| shadow.submit(batch))
    }

    fn poll(&self, room: BlockBatch) -> RpcResult<BlockBatch> {
        self.between(|shadow| shadow.poll(room))
    }
}

/// The shadow of a client's own, over shadows that live for so many points each, the
/// last for ever, over drivers that die as well. And how often a shadow died.
fn nested(medium: &Arc<Medium>, lives: Vec<usize>) -> (Shadow, Arc<AtomicUsize>) {
    let home = Domain::new();
    let device = home.run(|| adopt(drivers(medium, false)));
    let deaths = Arc::new(AtomicUsize::new(0));
    let (died, all) = mpsc::channel::<Domain>();
    let lives = Mutex::new(VecDeque::from(lives));
    let counted = Arc::clone(&deaths);
    let start = move || {
        let domain = Domain::new();
        let guarded = device.try_clone().unwrap();
        let object = domain.run(|| {
            let shadow = MortalShadow {
                shadow: over(adopt(guarded), "attempts=1000"),
                domain,
                left: Mutex::new(lives.lock().unwrap().pop_front()),
                deaths: Arc::clone(&counted),
                died: died.clone(),
            };
            Proxy::export(Arc::new(shadow) as Arc<dyn BlockDevice>)
        });
        let object = adopt(object);
        promise(&object);
        object
    };
    let mut first = home.run(&start);
    let given = adopt(first.try_clone().unwrap());
    std::thread::spawn(move || {
        while let Ok(dead) = all.recv() {
            reclaim(dead.id());
            assert_eq!(objects_of(dead.id()), 0);
            let second = home.run(&start);
            redirect(&first, &second);
            first = second;
        }
    });
    (over(given, "attempts=1000"), deaths)
}

/// As [`run`], through shadows that die: how many deaths of shadows there were.
fn run_nested(steps: &[Step], lives: Vec<usize>, shadows: Vec<usize>) -> usize {
    let domain = Domain::new();
    domain.run(|| {
        let medium = Arc::new(Medium::default());
        *medium.lives.lock().unwrap() = lives.into();
        let (shadow, deaths) = nested(&medium, shadows);
        work(domain, &medium, shadow, steps);
        deaths.load(Ordering::SeqCst)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_client_with_a_shadow_of_its_own_notices_the_death_of_another(
        steps in prop::collection::vec(step(), 1..10),
        lives in prop::collection::vec(0..40_usize, 0..12),
        shadows in prop::collection::vec(0..10_usize, 0..12),
    ) {
        run_nested(&steps, lives, shadows);
    }
}

#[test]
fn a_death_of_a_shadow_at_every_step_of_one_program() {
    let plan = (0..40).map(|tag| (tag % 3, tag)).collect();
    let steps = [Step::Write(50, 1), Step::Batch(plan), Step::Read(50)];
    let mut met = 0;
    for life in 0..40 {
        met += run_nested(&steps, vec![], vec![life]);
        // The driver dies as well, sooner or later.
        run_nested(&steps, vec![2 * life], vec![life]);
    }
    assert!(met >= 30, "only {met} deaths were met");
}

/// A batch of requests for sectors from `first` on, which have these numbers.
fn batch(operations: &[BlockOperation], first: u64) -> BlockBatch {
    let mut batch = BlockBatch::new();
    for (tag, operation) in (first..).zip(operations) {
        batch.push_back(request(tag, *operation, tag, 7)).unwrap();
    }
    batch
}

/// What is finished now.
fn poll(shadow: &Shadow, finished: &mut Vec<BlockRequest>) {
    let mut done = shadow.poll(BlockBatch::new()).unwrap();
    while let Some(request) = done.pop_front() {
        assert_eq!(request.status, BlockStatus::Done);
        finished.push(request);
    }
}

#[test]
fn what_the_driver_does_for_a_dead_shadow_is_taken_for_nothing_else() {
    Domain::new().run(|| {
        let medium = Arc::new(Medium::default());
        // It dies when it is called for the third time.
        let (shadow, deaths) = nested(&medium, vec![4]);
        let (write, read) = (BlockOperation::Write, BlockOperation::Read);
        let first = batch(&[write, write, write, BlockOperation::Flush], 0);
        assert!(shadow.submit(first).unwrap().is_empty());
        let mut finished = Vec::new();
        poll(&shadow, &mut finished);
        assert_eq!(finished.len(), 3);
        // The driver still has the flush, whose number was the fourth.
        let second = batch(&[read; 4], 4);
        assert!(shadow.submit(second).unwrap().is_empty());
        assert_eq!(deaths.load(Ordering::SeqCst), 1);
        while finished.len() < 8 {
            poll(&shadow, &mut finished);
        }
        for request in finished.iter().filter(|one| one.operation == read) {
            assert_eq!(request.buffer.as_deref(), Some(&[0; SECTOR][..]));
        }
    });
}

#[test]
fn nothing_overtakes_what_the_driver_does_for_a_dead_shadow() {
    Domain::new().run(|| {
        let medium = Arc::new(Medium::default());
        // It dies before it answers that the driver has the first.
        let (shadow, deaths) = nested(&medium, vec![1]);
        let mut finished = Vec::new();
        let mut rest = BlockBatch::new();
        for value in [1, 2] {
            let write = request(value, BlockOperation::Write, 0, value as u8);
            rest.push_back(write).unwrap();
            rest = shadow.submit(rest).unwrap();
        }
        assert_eq!(deaths.load(Ordering::SeqCst), 1);
        while finished.len() < 2 {
            poll(&shadow, &mut finished);
            rest = shadow.submit(rest).unwrap();
        }
        assert_eq!(medium.bytes.lock().unwrap()[0], 2);
    });
}
