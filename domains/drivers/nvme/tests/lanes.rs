//! A pair of queues for each CPU: who uses which, and what happens across them.

#![forbid(unsafe_code)]

mod model;

use std::thread;

use exchange::RRefSlice;
use interfaces::block::{BlockBatch, BlockError, BlockOperation, BlockRequest, BlockStatus};
use model::{Model, Shape, run_on_cpu};
use nvme::settings::{Settings, Waiting};

fn model(cpus: usize, queues: u16) -> Model {
    Model::new(Shape {
        cpus,
        queues,
        ..Shape::default()
    })
}

fn reads(tags: std::ops::Range<u64>) -> BlockBatch {
    let mut batch = BlockBatch::new();
    for tag in tags {
        let request = BlockRequest {
            tag,
            sector: tag,
            operation: BlockOperation::Read,
            status: BlockStatus::Pending,
            error: BlockError::Device,
            is_lent: 0,
            buffer: Some(RRefSlice::from_fn(512, |_| 0)),
        };
        batch.push_back(request).expect("room for 32");
    }
    batch
}

fn tags(mut batch: BlockBatch) -> Vec<u64> {
    let mut tags = Vec::new();
    while let Some(request) = batch.pop_front() {
        assert_eq!(request.status, BlockStatus::Done);
        tags.push(request.tag);
    }
    tags.sort_unstable();
    tags
}

#[test]
fn each_cpu_has_its_own_queue() {
    let model = model(4, 8);
    let driver = model.start(Settings::default()).expect("starts");
    assert_eq!(driver.queues(), 4);
    thread::scope(|scope| {
        for cpu in 0..4_usize {
            let driver = &driver;
            scope.spawn(move || {
                run_on_cpu(cpu);
                let mut buffer = [0; 512];
                for sector in 0..10 * (cpu as u64 + 1) {
                    assert_eq!(driver.read(sector, &mut buffer), Ok(()));
                }
            });
        }
    });
    let used: Vec<_> = model.device().commands_of.clone().into_iter().collect();
    assert_eq!(used, [(1, 10), (2, 20), (3, 30), (4, 40)]);
    model.assert_clean();
}

#[test]
fn cpus_share_queues_where_there_are_fewer() {
    for (queues, most, expected) in [(2, 64, 2), (8, 3, 3), (1, 64, 1)] {
        let model = model(4, queues);
        let settings = Settings {
            queues: most,
            ..Settings::default()
        };
        let driver = model.start(settings).expect("starts");
        assert_eq!(driver.queues(), expected);
        for cpu in 0..4 {
            run_on_cpu(cpu);
            assert_eq!(driver.write(cpu as u64, &[cpu as u8; 512]), Ok(()));
        }
        assert_eq!(model.device().commands_of.len(), expected);
        model.assert_clean();
    }
}

#[test]
fn requests_are_found_from_another_cpu() {
    let model = model(2, 8);
    let driver = model.start(Settings::default()).expect("starts");
    run_on_cpu(0);
    assert!(driver.submit(reads(0..10)).is_empty());
    run_on_cpu(1);
    assert_eq!(
        tags(driver.poll(BlockBatch::new())),
        (0..10).collect::<Vec<_>>()
    );
    // Also while this CPU always has some of its own.
    run_on_cpu(0);
    assert!(driver.submit(reads(100..110)).is_empty());
    run_on_cpu(1);
    let mut found = Vec::new();
    for round in 0..200 {
        assert!(driver.submit(reads(round..round + 1)).is_empty());
        found.extend(tags(driver.poll(BlockBatch::new())));
    }
    assert_eq!(found.iter().filter(|tag| **tag >= 100).count(), 110);
    model.assert_clean();
}

#[test]
fn own_requests_come_before_those_of_other_cpus() {
    let model = model(2, 8);
    let driver = model.start(Settings::default()).expect("starts");
    run_on_cpu(0);
    assert!(driver.submit(reads(0..5)).is_empty());
    run_on_cpu(1);
    assert!(driver.submit(reads(5..10)).is_empty());
    assert_eq!(tags(driver.poll(BlockBatch::new())), [5, 6, 7, 8, 9]);
    run_on_cpu(0);
    assert_eq!(tags(driver.poll(BlockBatch::new())), [0, 1, 2, 3, 4]);
    model.assert_clean();
}

#[test]
fn a_reset_ends_the_commands_of_all_cpus_and_all_go_on() {
    for waiting in [Waiting::Interrupt, Waiting::Polled] {
        let model = model(2, 8);
        let settings = Settings {
            waiting,
            spin: 0,
            timeout_ns: 50_000_000,
            ..Settings::default()
        };
        let driver = model.start(settings).expect("starts");
        model.device().faults.drop_commands = 2;
        run_on_cpu(0);
        assert!(driver.submit(reads(0..1)).is_empty());
        run_on_cpu(1);
        assert_eq!(driver.read(0, &mut [0; 512]), Err(BlockError::TimedOut));
        assert_eq!(model.device().resets, 1);
        run_on_cpu(0);
        let mut ended = driver.poll(BlockBatch::new());
        let request = ended.pop_front().expect("it was ended");
        assert_eq!(
            (request.status, request.error),
            (BlockStatus::Failed, BlockError::TimedOut)
        );
        for cpu in 0..2 {
            run_on_cpu(cpu);
            assert_eq!(driver.read(0, &mut [0; 512]), Ok(()));
        }
        assert_eq!(model.device().resets, 1);
        model.assert_clean();
    }
}

#[test]
fn threads_that_find_the_controller_stuck_reset_it_once() {
    let model = model(4, 8);
    let settings = Settings {
        spin: 0,
        timeout_ns: 50_000_000,
        ..Settings::default()
    };
    let driver = model.start(settings).expect("starts");
    model.device().faults.drop_commands = 4;
    thread::scope(|scope| {
        for cpu in 0..4 {
            let driver = &driver;
            scope.spawn(move || {
                run_on_cpu(cpu);
                let outcome = driver.read(0, &mut [0; 512]);
                assert!(matches!(outcome, Ok(()) | Err(BlockError::TimedOut)));
                while driver.read(0, &mut [0; 512]).is_err() {}
            });
        }
    });
    // Clocks differ by thread only in who looks first: nobody resets a
    // controller that has just been reset on account of an ended command.
    assert!((1..=4).contains(&model.device().resets));
    model.assert_clean();
}
