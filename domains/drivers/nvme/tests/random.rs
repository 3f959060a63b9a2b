//! Random reads, writes, flushes and faults against a vector of bytes.

#![forbid(unsafe_code)]

mod model;

use exchange::RRefSlice;
use hardware::DmaMode;
use interfaces::block::{BlockBatch, BlockError, BlockOperation, BlockRequest, BlockStatus};
use model::{Model, Shape};
use nvme::settings::{Settings, Waiting};
use proptest::prelude::*;

const SECTORS: u64 = 64;

#[derive(Clone, Debug)]
enum Step {
    Read {
        sector: u64,
        sectors: usize,
        misplaced: usize,
    },
    Write {
        sector: u64,
        sectors: usize,
        misplaced: usize,
        fill: u8,
    },
    Batch {
        requests: Vec<(bool, u64, usize, u8)>,
    },
    Flush,
    /// The next command is swallowed.
    Lose,
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0..SECTORS + 2, 0..40_usize, 0..9_usize);
    let request = (any::<bool>(), 0..SECTORS, 1..20_usize, any::<u8>());
    prop_oneof![
        4 => place().prop_map(|(sector, sectors, misplaced)| Step::Read { sector, sectors, misplaced }),
        4 => (place(), any::<u8>()).prop_map(|((sector, sectors, misplaced), fill)| {
            Step::Write { sector, sectors, misplaced, fill }
        }),
        3 => prop::collection::vec(request, 1..32).prop_map(|requests| Step::Batch { requests }),
        1 => Just(Step::Flush),
        1 => Just(Step::Lose),
    ]
}

struct World {
    model: Model,
    driver: model::TestDriver,
    expected: Vec<u8>,
    sector_bytes: usize,
}

impl World {
    fn new(shape: Shape, settings: Settings) -> Self {
        let model = Model::new(shape);
        let driver = model.start(settings).expect("starts");
        let expected = model.device().storage.clone();
        Self {
            model,
            driver,
            expected,
            sector_bytes: 1 << shape.sector_power,
        }
    }

    fn range(&self, sector: u64, bytes: usize) -> Option<std::ops::Range<usize>> {
        let start = sector as usize * self.sector_bytes;
        (start + bytes <= self.expected.len()).then_some(start..start + bytes)
    }

    /// Whether a call may be answered so: as the model would, or late.
    fn check(&self, answer: Result<(), BlockError>, is_inside: bool) -> bool {
        match answer {
            Ok(()) => assert!(is_inside),
            Err(BlockError::TimedOut) => return false,
            Err(error) => assert_eq!((error, is_inside), (BlockError::OutOfRange, false)),
        }
        is_inside
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Read {
                sector,
                sectors,
                misplaced,
            } => {
                let bytes = sectors * self.sector_bytes;
                let mut memory = vec![0xA5; bytes + misplaced];
                let answer = self.driver.read(sector, &mut memory[misplaced..]);
                let range = self.range(sector, bytes);
                if self.check(answer, range.is_some()) {
                    assert_eq!(memory[misplaced..], self.expected[range.expect("inside")]);
                }
            }
            Step::Write {
                sector,
                sectors,
                misplaced,
                fill,
            } => {
                let bytes = sectors * self.sector_bytes;
                let memory = vec![fill; bytes + misplaced];
                let answer = self.driver.write(sector, &memory[misplaced..]);
                match self.range(sector, bytes) {
                    Some(range) if self.check(answer, true) => self.expected[range].fill(fill),
                    // Lost half-way: what the device has is what counts.
                    Some(_) => self.expected.clone_from(&self.model.device().storage),
                    None => assert!(!self.check(answer, false)),
                }
            }
            Step::Batch { requests } => self.run_batch(&requests),
            Step::Flush => {
                let answer = self.driver.flush();
                assert!(matches!(answer, Ok(()) | Err(BlockError::TimedOut)));
            }
            Step::Lose => self.model.device().faults.drop_commands = 1,
        }
    }

    /// Requests on one sector range each; later ones may overlap earlier ones,
    /// which the modelled device executes in order.
    fn run_batch(&mut self, requests: &[(bool, u64, usize, u8)]) {
        let mut batch = BlockBatch::new();
        for (tag, (is_write, sector, sectors, fill)) in requests.iter().enumerate() {
            let bytes = sectors * self.sector_bytes;
            let operation = if *is_write {
                BlockOperation::Write
            } else {
                BlockOperation::Read
            };
            let request = BlockRequest {
                tag: tag as u64,
                sector: *sector,
                operation,
                status: BlockStatus::Pending,
                error: BlockError::Device,
                is_lent: 0,
                buffer: Some(RRefSlice::from_fn(bytes, |_| *fill)),
            };
            batch.push_back(request).expect("at most 32");
        }
        let max_bytes = self.driver.geometry().max_sectors as usize * self.sector_bytes;
        let mut left = requests.len();
        let mut patience = 1_000_000;
        let mut reads = 0;
        while left != 0 {
            batch = self.driver.submit(batch);
            self.model.device().step();
            self.model.device().pass(10_000);
            let mut done = self.driver.poll(BlockBatch::new());
            while let Some(request) = done.pop_front() {
                left -= 1;
                let (_, sector, sectors, _) = requests[request.tag as usize];
                let bytes = sectors * self.sector_bytes;
                let fits = bytes <= max_bytes && self.range(sector, bytes).is_some();
                let is_late = request.error == BlockError::TimedOut;
                let is_done = request.status == BlockStatus::Done;
                assert_eq!(
                    is_done,
                    fits && !(request.status == BlockStatus::Failed && is_late)
                );
                assert_eq!(request.buffer.expect("comes back").len(), bytes);
                reads += usize::from(request.operation == BlockOperation::Read);
            }
            patience -= 1;
            assert_ne!(patience, 0, "{left} requests never came back");
        }
        assert!(reads <= requests.len());
        self.expected.clone_from(&self.model.device().storage);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_disk_is_a_vector_of_bytes(
        steps in prop::collection::vec(step(), 1..60),
        sector_power in prop_oneof![Just(9_u8), Just(12)],
        mdts in 0..4_u8,
        queue_depth in 4..40_u16,
        is_prompt: bool,
        dma in prop::sample::select(DmaMode::ALL.as_slice()),
        waiting in prop_oneof![Just(Waiting::Interrupt), Just(Waiting::Polled), Just(Waiting::Adaptive)],
    ) {
        let shape = Shape {
            sectors: SECTORS,
            sector_power,
            mdts,
            is_prompt,
            dma,
            ..Shape::default()
        };
        let settings = Settings {
            queue_depth,
            waiting,
            spin: 4,
            queues: 64,
            timeout_ns: 20_000_000,
            namespace: None,
        };
        let mut world = World::new(shape, settings);
        for step in steps {
            world.take(step);
        }
        prop_assert_eq!(&world.model.device().storage, &world.expected);
        world.model.assert_clean();
    }
}
