//! Batches: order, errors, resets, and how seldom the device is rung.

#![forbid(unsafe_code)]

mod model;

use exchange::RRefSlice;
use interfaces::block::{BATCH, BlockBatch, BlockError, BlockOperation, BlockRequest, BlockStatus};
use model::{Model, Shape, TestDriver};
use nvme::settings::Settings;

fn request(tag: u64, operation: BlockOperation, sector: u64, bytes: usize) -> BlockRequest {
    BlockRequest {
        tag,
        sector,
        operation,
        status: BlockStatus::Pending,
        error: BlockError::Device,
        is_lent: 0,
        buffer: (bytes != 0).then(|| RRefSlice::from_fn(bytes, |_| tag as u8)),
    }
}

fn batch_of(requests: Vec<BlockRequest>) -> BlockBatch {
    let mut batch = BlockBatch::new();
    for request in requests {
        batch.push_back(request).expect("room");
    }
    batch
}

fn poll_all(driver: &TestDriver) -> Vec<BlockRequest> {
    let mut all = Vec::new();
    loop {
        let mut done = driver.poll(BlockBatch::new());
        if done.is_empty() {
            return all;
        }
        while let Some(request) = done.pop_front() {
            all.push(request);
        }
    }
}

#[test]
fn requests_come_back_in_any_order_with_their_data() {
    let model = Model::new(Shape::default());
    model.device().faults.reverses_order = true;
    let driver = model.start(Settings::default()).expect("starts");
    let writes = (0..20).map(|tag| request(tag, BlockOperation::Write, 4 * tag, 2048));
    assert!(driver.submit(batch_of(writes.collect())).is_empty());
    let done = poll_all(&driver);
    assert_eq!(
        done.iter().map(|r| r.tag).collect::<Vec<_>>(),
        (0..20).rev().collect::<Vec<_>>()
    );
    let reads = (0..20).map(|tag| request(tag + 100, BlockOperation::Read, 4 * tag, 2048));
    assert!(driver.submit(batch_of(reads.collect())).is_empty());
    let done = poll_all(&driver);
    assert_eq!(done.len(), 20);
    for request in done {
        assert_eq!(request.status, BlockStatus::Done);
        let buffer = request.buffer.expect("came back");
        assert!(
            buffer
                .iter()
                .all(|byte| u64::from(*byte) == request.tag - 100)
        );
    }
    model.assert_clean();
}

#[test]
fn bad_requests_fail_alone() {
    let model = Model::new(Shape::default());
    let driver = model.start(Settings::default()).expect("starts");
    model.device().faults.statuses = vec![0, 0x281];
    let batch = batch_of(vec![
        request(1, BlockOperation::Read, 4096, 512),
        request(2, BlockOperation::Read, 0, 100),
        request(3, BlockOperation::Write, 0, 0),
        request(4, BlockOperation::Read, 0, 32 * 512 + 512),
        request(5, BlockOperation::Flush, 0, 0),
        request(6, BlockOperation::Read, 0, 512),
        request(7, BlockOperation::Read, 0, 32 * 512),
    ]);
    assert!(driver.submit(batch).is_empty());
    let mut done = poll_all(&driver);
    done.sort_by_key(|request| request.tag);
    let outcomes: Vec<_> = done.iter().map(|r| (r.status, r.error)).collect();
    let bad = |error| (BlockStatus::Failed, error);
    let good = (BlockStatus::Done, BlockError::Device);
    let expected = [
        bad(BlockError::OutOfRange),
        bad(BlockError::BadLength),
        bad(BlockError::BadLength),
        bad(BlockError::BadLength),
        good,
        bad(BlockError::Media),
        good,
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(done.iter().filter(|r| r.buffer.is_some()).count(), 5);
    model.assert_clean();
}

#[test]
fn what_does_not_fit_is_returned_and_calls_still_get_through() {
    let model = Model::new(Shape {
        is_prompt: false,
        ..Shape::default()
    });
    let settings = Settings {
        queue_depth: 10,
        ..Settings::default()
    };
    let driver = model.start(settings).expect("starts");
    let reads = (0..12).map(|tag| request(tag, BlockOperation::Read, tag, 512));
    let rest = driver.submit(batch_of(reads.collect()));
    let left: Vec<_> = rest.iter().map(|request| request.tag).collect();
    assert_eq!(left, [8, 9, 10, 11]);
    // The queue is full of requests nobody polls for.
    assert_eq!(driver.read(0, &mut [0; 512]), Ok(()));
    assert_eq!(driver.flush(), Ok(()));
    assert_eq!(poll_all(&driver).len(), 8);
    assert!(driver.submit(rest).is_empty());
    model.device().step();
    assert_eq!(poll_all(&driver).len(), 4);
    model.assert_clean();
}

#[test]
fn a_room_that_is_partly_full_is_filled_up() {
    let model = Model::new(Shape::default());
    let driver = model.start(Settings::default()).expect("starts");
    let reads = |from| {
        (0..BATCH as u64).map(move |tag| request(from + tag, BlockOperation::Read, tag, 512))
    };
    assert!(driver.submit(batch_of(reads(0).collect())).is_empty());
    let mut room = batch_of(reads(100).take(BATCH - 5).collect());
    room = driver.poll(room);
    assert!(room.is_full());
    assert_eq!(poll_all(&driver).len(), BATCH - 5);
    model.assert_clean();
}

#[test]
fn a_batch_that_is_not_answered_comes_back_timed_out() {
    let model = Model::new(Shape::default());
    let settings = Settings {
        timeout_ns: 1_000_000,
        ..Settings::default()
    };
    let driver = model.start(settings).expect("starts");
    model.device().faults.drop_commands = 2;
    let reads = (0..5).map(|tag| request(tag, BlockOperation::Read, tag, 512));
    assert!(driver.submit(batch_of(reads.collect())).is_empty());
    assert_eq!(poll_all(&driver).len(), 3);
    let mut late = Vec::new();
    for _ in 0..1_000 {
        model.device().pass(100_000);
        late.extend(poll_all(&driver));
        if late.len() == 2 {
            break;
        }
    }
    assert!(
        late.iter()
            .all(|r| r.status == BlockStatus::Failed && r.error == BlockError::TimedOut)
    );
    assert!(late.iter().all(|r| r.buffer.is_some()));
    assert_eq!(model.device().resets, 1);
    assert_eq!(driver.read(0, &mut [0; 512]), Ok(()));
    model.assert_clean();
}

#[test]
fn at_depth_32_there_are_fewer_than_0_1_doorbell_writes_per_request() {
    let model = Model::new(Shape::default());
    let driver = model.start(Settings::default()).expect("starts");
    let reads = (0..BATCH as u64).map(|tag| request(tag, BlockOperation::Read, tag, 4096));
    let mut batch = batch_of(reads.collect());
    let rounds = 200;
    model.device().doorbells = 0;
    for _ in 0..rounds {
        let room = driver.submit(batch);
        batch = driver.poll(room);
        assert!(batch.is_full());
    }
    let rung = model.device().doorbells;
    assert!(
        rung * 10 < rounds * BATCH,
        "{rung} in {} requests",
        rounds * BATCH
    );
    model.assert_clean();
}

#[test]
fn at_depth_1_there_is_hardly_more_than_one_doorbell_write_per_request() {
    let model = Model::new(Shape::default());
    let driver = model.start(Settings::default()).expect("starts");
    model.device().doorbells = 0;
    for sector in 0..1_000 {
        assert_eq!(driver.read(sector, &mut [0; 512]), Ok(()));
    }
    let rung = model.device().doorbells;
    assert!(rung < 1_050, "{rung} in 1000 requests");
}
