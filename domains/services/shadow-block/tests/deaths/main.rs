//! A driver that dies at every step, and callers that must not notice.

#![forbid(unsafe_code)]

mod nested;

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use exchange::host::{Domain, abandon, adopt, die_here, objects_of, reclaim, redirect};
use exchange::{Proxy, RRefSlice, RpcResult};
use interfaces::block::{
    BlockBatch, BlockDevice, BlockError, BlockOperation, BlockRequest, BlockStatus, Geometry,
};
use proptest::prelude::*;
use runtime::Options;
use shadow::Guard;
use shadow_block::Shadow;

const SECTOR: usize = 512;
const SECTORS: usize = 64;
const DEPTH: usize = 8;

/// What outlives every driver: the disk, and when its drivers die.
#[derive(Default)]
struct Medium {
    bytes: Mutex<Vec<u8>>,
    /// Every operation carried out, in order.
    log: Mutex<Vec<(BlockOperation, u64)>>,
    /// Points that each coming driver lives for.
    lives: Mutex<VecDeque<usize>>,
    /// Every driver dies at its first write.
    is_poisoned: AtomicBool,
    /// Requests that are not answered in time, from now on.
    silences: AtomicUsize,
    deaths: AtomicUsize,
}

impl Medium {
    fn carry_out(&self, operation: BlockOperation, sector: u64, buffer: &mut [u8]) {
        let mut bytes = self.bytes.lock().unwrap();
        let place = sector as usize * SECTOR..sector as usize * SECTOR + buffer.len();
        match operation {
            BlockOperation::Read => buffer.copy_from_slice(&bytes[place]),
            BlockOperation::Write => bytes[place].copy_from_slice(buffer),
            BlockOperation::Flush => {}
        }
        self.log.lock().unwrap().push((operation, sector));
    }

    /// Whether this request is one that is not answered.
    fn is_silent(&self) -> bool {
        let fewer = |left: usize| left.checked_sub(1);
        let before = self
            .silences
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
        before.is_ok()
    }
}

/// A driver that keeps requests in memory until it is polled.
struct Driver {
    medium: Arc<Medium>,
    domain: Domain,
    left: Mutex<Cell<Option<usize>>>,
    pending: Mutex<VecDeque<BlockRequest>>,
    died: mpsc::Sender<Domain>,
}

impl Driver {
    /// A place at which the driver may die. No lock is held at any.
    fn point(&self) {
        let is_over = {
            let left = self.left.lock().unwrap();
            left.get().is_some_and(|points| {
                left.set(points.checked_sub(1));
                points == 0
            })
        };
        if is_over {
            self.die();
        }
    }

    fn die(&self) -> ! {
        // No destructor runs: what it holds is forgotten.
        std::mem::forget(std::mem::take(&mut *self.pending.lock().unwrap()));
        self.medium.deaths.fetch_add(1, Ordering::SeqCst);
        self.domain.die();
        // The supervisor may be gone at the end of a test.
        let _ = self.died.send(self.domain);
        die_here()
    }

    fn wait(
        &self,
        operation: BlockOperation,
        sector: u64,
        buffer: &mut [u8],
    ) -> RpcResult<Result<(), BlockError>> {
        self.point();
        if self.medium.is_silent() {
            return Ok(Err(BlockError::TimedOut));
        }
        if operation == BlockOperation::Write && self.medium.is_poisoned.load(Ordering::SeqCst) {
            self.die();
        }
        self.medium.carry_out(operation, sector, buffer);
        self.point();
        Ok(Ok(()))
    }
}

impl BlockDevice for Driver {
    fn geometry(&self) -> RpcResult<Geometry> {
        self.point();
        Ok(Geometry {
            sector_bytes: SECTOR as u32,
            max_sectors: 8,
            sectors: SECTORS as u64,
            queue_depth: DEPTH as u32,
            read_only: 0,
        })
    }

    fn read(&self, sector: u64, into: &mut [u8]) -> RpcResult<Result<(), BlockError>> {
        self.wait(BlockOperation::Read, sector, into)
    }

    fn write(&self, sector: u64, from: &[u8]) -> RpcResult<Result<(), BlockError>> {
        self.wait(BlockOperation::Write, sector, &mut from.to_vec())
    }

    fn flush(&self) -> RpcResult<Result<(), BlockError>> {
        self.wait(BlockOperation::Flush, 0, &mut [])
    }

    fn submit(&self, mut batch: BlockBatch) -> RpcResult<BlockBatch> {
        self.point();
        while self.pending.lock().unwrap().len() < DEPTH
            && let Some(request) = batch.pop_front()
        {
            self.pending.lock().unwrap().push_back(request);
            self.point();
        }
        Ok(batch)
    }

    fn poll(&self, mut room: BlockBatch) -> RpcResult<BlockBatch> {
        self.point();
        // Three at a time, so that a batch takes several polls.
        for _ in 0..3 {
            let next = self.pending.lock().unwrap().pop_front();
            let Some(mut request) = next else { break };
            let (operation, sector) = (request.operation, request.sector);
            let is_poison = self.medium.is_poisoned.load(Ordering::SeqCst);
            if is_poison && operation == BlockOperation::Write {
                std::mem::forget((request, room));
                self.die();
            }
            if self.medium.is_silent() {
                request.status = BlockStatus::Failed;
                request.error = BlockError::TimedOut;
            } else {
                let buffer = request.buffer.as_deref_mut().unwrap_or_default();
                self.medium.carry_out(operation, sector, buffer);
                request.status = BlockStatus::Done;
            }
            room.push_back(request).expect("room");
            self.point();
        }
        Ok(room)
    }
}

/// Starts drivers, as the supervisor does.
struct Supervisor {
    medium: Arc<Medium>,
    died: mpsc::Sender<Domain>,
}

impl Supervisor {
    fn start(&self) -> Proxy<dyn BlockDevice> {
        let domain = Domain::new();
        let left = self.medium.lives.lock().unwrap().pop_front();
        let driver = Driver {
            medium: Arc::clone(&self.medium),
            domain,
            left: Mutex::new(Cell::new(left)),
            pending: Mutex::default(),
            died: self.died.clone(),
        };
        adopt(domain.run(|| Proxy::export(Arc::new(driver) as Arc<dyn BlockDevice>)))
    }
}

/// A shadow over drivers that live for so many points each, the last for ever.
fn shadow(medium: &Arc<Medium>, options: &str, gives_up: bool) -> Shadow {
    over(drivers(medium, gives_up), options)
}

fn over(device: Proxy<dyn BlockDevice>, options: &str) -> Shadow {
    let options = Options::new(options.to_owned());
    Shadow::new(Guard::new(device, &options).unwrap())
}

/// The first of the drivers.
fn drivers(medium: &Arc<Medium>, gives_up: bool) -> Proxy<dyn BlockDevice> {
    medium.bytes.lock().unwrap().resize(SECTORS * SECTOR, 0);
    let (died, deaths) = mpsc::channel();
    let medium = Arc::clone(medium);
    let supervisor = Supervisor { medium, died };
    // The proxies the supervisor holds are its own.
    let home = Domain::new();
    let mut first = home.run(|| supervisor.start());
    let shadows = adopt(first.try_clone().unwrap());
    std::thread::spawn(move || {
        while let Ok(dead) = deaths.recv() {
            reclaim(dead.id());
            assert_eq!(objects_of(dead.id()), 0);
            if gives_up {
                abandon(&first);
                continue;
            }
            let second = supervisor.start();
            redirect(&first, &second);
            first = second;
        }
    });
    shadows
}

fn request(tag: u64, operation: BlockOperation, sector: u64, fill: u8) -> BlockRequest {
    BlockRequest {
        tag,
        sector,
        operation,
        status: BlockStatus::Pending,
        error: BlockError::Device,
        is_lent: 0,
        buffer: (operation != BlockOperation::Flush)
            .then(|| RRefSlice::from_slice(&[fill; SECTOR])),
    }
}

/// Runs requests to their ends, a few of which are submitted at a time.
fn run_batch(shadow: &Shadow, requests: Vec<BlockRequest>) -> BTreeMap<u64, BlockRequest> {
    let count = requests.len();
    let mut left: VecDeque<_> = requests.into();
    let mut done = BTreeMap::new();
    let mut batch = BlockBatch::new();
    while done.len() < count {
        while !batch.is_full()
            && let Some(request) = left.pop_front()
        {
            batch.push_back(request).expect("room");
        }
        batch = shadow.submit(batch).unwrap();
        // A batch with something in it must keep that.
        let mut room = BlockBatch::new();
        room.push_back(request(u64::MAX, BlockOperation::Flush, 0, 0))
            .expect("room");
        let mut finished = shadow.poll(room).unwrap();
        assert_eq!(finished.pop_front().unwrap().tag, u64::MAX);
        while let Some(request) = finished.pop_front() {
            let twice = done.insert(request.tag, request);
            assert!(twice.is_none(), "finished twice");
        }
    }
    assert!(batch.is_empty());
    done
}

#[derive(Clone, Debug)]
enum Step {
    Read(u64),
    Write(u64, u8),
    Flush,
    /// Operation (0 read, 1 write, 2 flush) and value for sectors in a row.
    Batch(Vec<(u8, u8)>),
}

fn step() -> impl Strategy<Value = Step> {
    let sector = 0..SECTORS as u64;
    prop_oneof![
        sector.clone().prop_map(Step::Read),
        (sector, any::<u8>()).prop_map(|(sector, value)| Step::Write(sector, value)),
        Just(Step::Flush),
        prop::collection::vec((0..3_u8, any::<u8>()), 1..40).prop_map(Step::Batch),
    ]
}

fn check_batch(shadow: &Shadow, medium: &Medium, model: &mut [u8], plan: &[(u8, u8)]) {
    let operation = |number: u8| match number {
        0 => BlockOperation::Read,
        1 => BlockOperation::Write,
        _ => BlockOperation::Flush,
    };
    let start = medium.log.lock().unwrap().len();
    let requests = plan.iter().enumerate().map(|(tag, (number, value))| {
        request(tag as u64 % 64, operation(*number), tag as u64, *value)
    });
    let mut done = run_batch(shadow, requests.collect());
    for (tag, (number, value)) in plan.iter().enumerate() {
        let request = done.remove(&(tag as u64)).expect("each comes back");
        assert_eq!(request.status, BlockStatus::Done);
        assert_eq!(request.sector, tag as u64);
        match *number {
            0 => assert_eq!(request.buffer.expect("its buffer")[0], model[tag]),
            1 => {
                assert_eq!(request.buffer.expect("its buffer")[0], *value);
                model[tag] = *value;
            }
            _ => assert!(request.buffer.is_none()),
        }
    }
    check_order(&medium.log.lock().unwrap()[start..], plan);
}

/// A flush that finished came after the writes submitted before it.
fn check_order(log: &[(BlockOperation, u64)], plan: &[(u8, u8)]) {
    let writes_before = |place: usize| {
        let before = plan.iter().take(place).enumerate();
        before
            .filter(|(_, (number, _))| *number == 1)
            .map(|(tag, _)| tag as u64)
    };
    for (place, _) in plan.iter().enumerate().filter(|(_, step)| step.0 == 2) {
        let flush = (BlockOperation::Flush, place as u64);
        let flushed = log.iter().rposition(|entry| *entry == flush).unwrap();
        for sector in writes_before(place) {
            let write = (BlockOperation::Write, sector);
            let written = log.iter().position(|entry| *entry == write).unwrap();
            assert!(written < flushed, "flush {place} overtook write {sector}");
        }
    }
}

fn run(steps: &[Step], lives: Vec<usize>) -> usize {
    let domain = Domain::new();
    domain.run(|| {
        let medium = Arc::new(Medium::default());
        *medium.lives.lock().unwrap() = lives.into();
        work(
            domain,
            &medium,
            shadow(&medium, "attempts=1000", false),
            steps,
        );
        medium.deaths.load(Ordering::SeqCst)
    })
}

fn work(domain: Domain, medium: &Medium, shadow: Shadow, steps: &[Step]) {
    let mut model = vec![0; SECTORS];
    for step in steps {
        match step {
            Step::Read(sector) => {
                let mut bytes = [0; SECTOR];
                shadow.read(*sector, &mut bytes).unwrap().unwrap();
                assert_eq!(bytes, [model[*sector as usize]; SECTOR]);
            }
            Step::Write(sector, value) => {
                shadow.write(*sector, &[*value; SECTOR]).unwrap().unwrap();
                model[*sector as usize] = *value;
            }
            Step::Flush => shadow.flush().unwrap().unwrap(),
            Step::Batch(plan) => check_batch(&shadow, medium, &mut model, plan),
        }
    }
    let bytes = medium.bytes.lock().unwrap();
    for (sector, value) in model.iter().enumerate() {
        assert_eq!(bytes[sector * SECTOR], *value, "a write was lost");
    }
    drop(shadow);
    assert_eq!(objects_of(domain.id()), 0, "buffers stayed behind");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_caller_notices_a_death(
        steps in prop::collection::vec(step(), 1..10),
        lives in prop::collection::vec(0..40_usize, 0..12),
    ) {
        run(&steps, lives);
    }
}

#[test]
fn a_death_at_every_step_of_one_program() {
    let plan = (0..40).map(|tag| (tag % 3, tag)).collect();
    let steps = [
        Step::Write(50, 1),
        Step::Batch(plan),
        Step::Flush,
        Step::Read(50),
    ];
    let mut met = 0;
    for life in 0..120 {
        met += run(&steps, vec![life]);
    }
    assert!(met >= 90, "only {met} deaths were met");
}

#[test]
fn a_request_that_kills_every_driver_is_given_up() {
    let domain = Domain::new();
    domain.run(|| {
        let medium = Arc::new(Medium::default());
        medium.is_poisoned.store(true, Ordering::SeqCst);
        let shadow = shadow(&medium, "", false);
        let lost = Err(BlockError::DriverLost);
        assert_eq!(shadow.write(1, &[1; SECTOR]).unwrap(), lost);
        assert_eq!(medium.deaths.load(Ordering::SeqCst), 2);
        let requests = (0..4).map(|tag| request(tag, BlockOperation::Write, tag, 7));
        for (_, request) in run_batch(&shadow, requests.collect()) {
            assert_eq!(request.status, BlockStatus::Failed);
            assert_eq!(request.error, BlockError::DriverLost);
        }
        // Others are served all the same.
        medium.is_poisoned.store(false, Ordering::SeqCst);
        let mut bytes = [0; SECTOR];
        shadow.read(1, &mut bytes).unwrap().unwrap();
    });
}

#[test]
fn without_a_successor_callers_get_an_error_and_their_buffers() {
    let domain = Domain::new();
    domain.run(|| {
        let medium = Arc::new(Medium::default());
        *medium.lives.lock().unwrap() = [3].into();
        let shadow = shadow(&medium, "", true);
        let requests = (0..4).map(|tag| request(tag, BlockOperation::Write, tag, 7));
        for (tag, request) in run_batch(&shadow, requests.collect()) {
            assert_eq!(request.error, BlockError::DriverLost);
            assert_eq!((tag, request.buffer.expect("came back")[0]), (tag, 7));
        }
        let lost = Err(BlockError::DriverLost);
        assert_eq!(shadow.write(1, &[1; SECTOR]).unwrap(), lost);
    });
}

#[test]
fn what_is_not_answered_in_time_is_repeated_but_not_for_ever() {
    Domain::new().run(|| {
        let medium = Arc::new(Medium::default());
        let shadow = shadow(&medium, "", false);
        let silence = |count| medium.silences.store(count, Ordering::SeqCst);
        silence(2);
        shadow.write(3, &[7; SECTOR]).unwrap().unwrap();
        let mut bytes = [0; SECTOR];
        silence(1);
        shadow.read(3, &mut bytes).unwrap().unwrap();
        assert_eq!(bytes, [7; SECTOR]);
        silence(3);
        assert_eq!(shadow.flush().unwrap(), Err(BlockError::TimedOut));
        silence(2);
        let mut model = vec![0; SECTORS];
        check_batch(&shadow, &medium, &mut model, &[(1, 5), (0, 0), (1, 9)]);
        silence(usize::MAX);
        let lost = run_batch(&shadow, vec![request(1, BlockOperation::Write, 1, 1)]);
        assert_eq!(lost[&1].status, BlockStatus::Failed);
        assert_eq!(lost[&1].error, BlockError::TimedOut);
    });
}
