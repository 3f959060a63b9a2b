//! Several threads on one queue: everybody gets their own data.

#![forbid(unsafe_code)]

mod model;

use std::thread;

use interfaces::block::{BlockBatch, BlockError, BlockOperation, BlockRequest, BlockStatus};
use model::{Model, Shape};
use nvme::settings::{Settings, Waiting};

/// Reads and writes sectors `from`, `from + 8`, … and checks what comes back.
fn use_own_sectors(driver: &model::TestDriver, from: u64) {
    let mut back = [0; 512];
    for round in 0..100 {
        let sector = from + round % 16 * 8;
        let data = [(from + round) as u8; 512];
        assert_eq!(driver.write(sector, &data), Ok(()));
        assert_eq!(driver.read(sector, &mut back), Ok(()));
        assert_eq!(back, data);
    }
}

#[test]
fn threads_that_wait_get_their_own_answers() {
    for (waiting, queue_depth, is_prompt) in [
        (Waiting::Interrupt, 4, false),
        (Waiting::Adaptive, 64, true),
        (Waiting::Polled, 5, false),
    ] {
        let model = Model::new(Shape {
            is_prompt,
            ..Shape::default()
        });
        model.device().faults.reverses_order = true;
        // The modelled clock runs with every wait of every thread: a time-out
        // here would be the test's, so there is none.
        let settings = Settings {
            waiting,
            queue_depth,
            spin: 10,
            timeout_ns: u64::MAX / 2,
            ..Settings::default()
        };
        let driver = model.start(settings).expect("starts");
        thread::scope(|scope| {
            for from in 0..6 {
                let driver = &driver;
                scope.spawn(move || use_own_sectors(driver, from));
            }
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(driver.flush(), Ok(()));
                }
            });
        });
        model.assert_clean();
    }
}

#[test]
fn batches_and_waiting_threads_share_the_queue() {
    let model = Model::new(Shape {
        is_prompt: false,
        ..Shape::default()
    });
    let settings = Settings {
        queue_depth: 8,
        timeout_ns: u64::MAX / 2,
        spin: 10,
        ..Settings::default()
    };
    let driver = model.start(settings).expect("starts");
    thread::scope(|scope| {
        scope.spawn(|| use_own_sectors(&driver, 1));
        scope.spawn(|| use_own_sectors(&driver, 2));
        scope.spawn(|| {
            let mut finished = 0;
            let mut batch = BlockBatch::new();
            for tag in 0..32 {
                let flush = BlockRequest {
                    tag,
                    sector: 0,
                    operation: BlockOperation::Flush,
                    status: BlockStatus::Pending,
                    error: BlockError::Device,
                    is_lent: 0,
                    buffer: None,
                };
                batch.push_back(flush).expect("room for 32");
            }
            while finished < 32 {
                batch = driver.submit(batch);
                model.device().step();
                finished += driver.poll(BlockBatch::new()).len();
            }
        });
    });
    model.assert_clean();
}
