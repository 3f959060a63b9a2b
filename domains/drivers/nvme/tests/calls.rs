//! Calls that wait: data, limits, errors, lost answers, resets.

#![forbid(unsafe_code)]

mod model;

use hardware::DmaMode;
use interfaces::block::BlockError;
use model::{Model, Shape};
use nvme::error::StartFailure;
use nvme::settings::{Settings, Waiting};

fn pattern(bytes: usize, seed: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index * 13 + seed) as u8).collect()
}

#[test]
fn geometry_is_what_the_device_reports() {
    for (sector_power, mdts, expected) in
        [(9, 2, (512, 32)), (12, 5, (4096, 32)), (9, 0, (512, 4096))]
    {
        let model = Model::new(Shape {
            sector_power,
            mdts,
            ..Shape::default()
        });
        let driver = model.start(Settings::default()).expect("starts");
        let geometry = driver.geometry();
        assert_eq!((geometry.sector_bytes, geometry.max_sectors), expected);
        assert_eq!(geometry.sectors, 4096);
        assert_eq!(geometry.queue_depth, 126);
    }
}

#[test]
fn data_lands_in_the_buffer_whatever_its_place_and_length() {
    for dma in DmaMode::ALL {
        transfer_everywhere(dma);
    }
}

fn transfer_everywhere(dma: DmaMode) {
    let model = Model::new(Shape {
        stride: 2,
        dma,
        ..Shape::default()
    });
    let driver = model.start(Settings::default()).expect("starts");
    let mut memory = vec![0; 1 << 18];
    for (place, bytes) in [
        (0, 512),
        (4, 512),
        (4092, 4096),
        (8, 16384),
        (2048, 100 * 512),
        (1, 512),
        (4095, 40960),
    ] {
        let data = pattern(bytes, place);
        memory[place..place + bytes].copy_from_slice(&data);
        assert_eq!(driver.write(7, &memory[place..place + bytes]), Ok(()));
        memory.fill(0xEE);
        assert_eq!(driver.read(7, &mut memory[place..place + bytes]), Ok(()));
        assert_eq!(
            memory[place..place + bytes],
            data,
            "{bytes} bytes at {place}"
        );
        let untouched = memory[..place].iter().chain(&memory[place + bytes..]);
        assert!(untouched.into_iter().all(|byte| *byte == 0xEE));
    }
    model.assert_clean();
}

#[test]
fn ranges_are_checked_before_the_device_sees_them() {
    let model = Model::new(Shape::default());
    let driver = model.start(Settings::default()).expect("starts");
    let mut buffer = vec![0; 1024];
    assert_eq!(driver.read(4095, &mut buffer), Err(BlockError::OutOfRange));
    assert_eq!(driver.write(u64::MAX, &buffer), Err(BlockError::OutOfRange));
    assert_eq!(
        driver.read(0, &mut buffer[..700]),
        Err(BlockError::BadLength)
    );
    assert_eq!(driver.read(0, &mut []), Ok(()));
    assert_eq!(model.device().commands, 0);
}

#[test]
fn device_errors_become_block_errors() {
    let model = Model::new(Shape::default());
    let driver = model.start(Settings::default()).expect("starts");
    let cases = [
        (0x80, BlockError::OutOfRange),
        (0x81, BlockError::OutOfRange),
        (0x20, BlockError::ReadOnly),
        (0x182, BlockError::ReadOnly),
        (0x280, BlockError::Media),
        (0x281, BlockError::Media),
        (0x06, BlockError::Device),
        (0x7FF, BlockError::Device),
    ];
    for (status, error) in cases {
        model.device().faults.statuses = vec![status];
        assert_eq!(driver.read(0, &mut [0; 512]), Err(error), "{status:#x}");
        assert_eq!(driver.read(0, &mut [0; 512]), Ok(()));
    }
    model.assert_clean();
}

#[test]
fn a_write_protected_namespace_refuses_writes() {
    let model = Model::new(Shape {
        is_read_only: true,
        ..Shape::default()
    });
    let driver = model.start(Settings::default()).expect("starts");
    assert_eq!(driver.geometry().read_only, 1);
    assert_eq!(driver.write(0, &[0; 512]), Err(BlockError::ReadOnly));
}

#[test]
fn flush_reaches_a_device_with_a_cache_only() {
    for has_cache in [true, false] {
        let model = Model::new(Shape {
            has_cache,
            ..Shape::default()
        });
        let driver = model.start(Settings::default()).expect("starts");
        assert_eq!(driver.flush(), Ok(()));
        assert_eq!(model.device().flushes, usize::from(has_cache));
    }
}

#[test]
fn queues_wrap_around_many_times() {
    for queue_depth in [4, 7, 1024] {
        let model = Model::new(Shape {
            max_entries: 600,
            ..Shape::default()
        });
        let settings = Settings {
            queue_depth,
            ..Settings::default()
        };
        let driver = model.start(settings).expect("starts");
        for round in 0..3_000 {
            let sector = round % 4096;
            let mut buffer = [0; 512];
            assert_eq!(driver.read(sector, &mut buffer), Ok(()));
            assert_eq!(buffer[3], ((sector as usize * 512 + 3) * 7 % 251) as u8);
        }
        model.assert_clean();
    }
}

#[test]
fn a_sleeping_thread_is_woken_by_the_interrupt_or_by_the_clock() {
    for (waiting, lose_interrupts) in [
        (Waiting::Interrupt, false),
        (Waiting::Interrupt, true),
        (Waiting::Adaptive, false),
        (Waiting::Polled, true),
    ] {
        let model = Model::new(Shape {
            is_prompt: false,
            ..Shape::default()
        });
        let settings = Settings {
            waiting,
            spin: 3,
            ..Settings::default()
        };
        let driver = model.start(settings).expect("starts");
        model.device().faults.lose_interrupts = lose_interrupts;
        for sector in 0..200 {
            assert_eq!(driver.read(sector, &mut [0; 512]), Ok(()), "{waiting:?}");
        }
        assert_eq!(model.device().resets, 0);
        model.assert_clean();
    }
}

#[test]
fn an_unanswered_command_resets_the_controller_and_fails_alone() {
    let model = Model::new(Shape::default());
    let settings = Settings {
        timeout_ns: 50_000_000,
        spin: 2,
        ..Settings::default()
    };
    let driver = model.start(settings).expect("starts");
    for round in 1..=3 {
        model.device().faults.drop_commands = 1;
        assert_eq!(driver.read(1, &mut [0; 512]), Err(BlockError::TimedOut));
        assert_eq!(model.device().resets, round);
        let data = pattern(512, round);
        assert_eq!(driver.write(5, &data), Ok(()));
        let mut back = [0; 512];
        assert_eq!(driver.read(5, &mut back), Ok(()));
        assert_eq!(back[..], data);
    }
    model.assert_clean();
}

#[test]
fn a_controller_that_does_not_start_again_fails_every_call() {
    let model = Model::new(Shape::default());
    let settings = Settings {
        timeout_ns: 50_000_000,
        spin: 2,
        ..Settings::default()
    };
    let driver = model.start(settings).expect("starts");
    model.device().faults.drop_commands = 1;
    model.device().faults.never_starts = true;
    assert_eq!(driver.read(1, &mut [0; 512]), Err(BlockError::TimedOut));
    assert_eq!(driver.read(1, &mut [0; 512]), Err(BlockError::Device));
    assert_eq!(driver.flush(), Err(BlockError::Device));
    model.assert_clean();
}

#[test]
fn a_controller_that_vanishes_fails_every_call() {
    let model = Model::new(Shape::default());
    let settings = Settings {
        timeout_ns: 50_000_000,
        spin: 2,
        ..Settings::default()
    };
    let driver = model.start(settings).expect("starts");
    model.device().faults.is_gone = true;
    assert_eq!(driver.read(1, &mut [0; 512]), Err(BlockError::TimedOut));
    assert_eq!(driver.read(1, &mut [0; 512]), Err(BlockError::Device));
    model.assert_clean();
}

#[test]
#[should_panic(expected = "its buffers are in danger")]
fn a_controller_that_cannot_be_stopped_ends_the_domain() {
    let model = Model::new(Shape::default());
    let settings = Settings {
        timeout_ns: 50_000_000,
        spin: 2,
        ..Settings::default()
    };
    let driver = model.start(settings).expect("starts");
    model.device().faults.drop_commands = 1;
    model.device().faults.never_stops = true;
    let _ = driver.read(1, &mut [0; 512]);
}

#[test]
fn unusable_controllers_are_refused_by_name() {
    let refusal = |shape| Model::new(shape).start(Settings::default()).err();
    let shape = Shape::default();
    assert_eq!(
        refusal(Shape {
            metadata_bytes: 8,
            ..shape
        }),
        Some(StartFailure::Metadata(8))
    );
    assert_eq!(
        refusal(Shape {
            sector_power: 11,
            ..shape
        }),
        Some(StartFailure::SectorSize(11))
    );
    assert_eq!(
        refusal(Shape {
            min_page_power: 13,
            ..shape
        }),
        Some(StartFailure::PageSize(8192))
    );
    assert_eq!(
        refusal(Shape {
            namespace: 0,
            ..shape
        }),
        Some(StartFailure::NoNamespace)
    );
    let model = Model::new(shape);
    let settings = Settings {
        namespace: Some(3),
        ..Settings::default()
    };
    assert_eq!(model.start(settings).err(), Some(StartFailure::NoNamespace));
    let model = Model::new(shape);
    model.device().faults.is_gone = true;
    assert_eq!(
        model.start(Settings::default()).err(),
        Some(StartFailure::Gone)
    );
    let model = Model::new(shape);
    model.device().faults.never_starts = true;
    let failure = model.start(Settings::default()).err();
    assert_eq!(failure, Some(StartFailure::NotReady(true)));
}

#[test]
#[should_panic(expected = "which it was never given")]
fn a_completion_of_a_command_never_given_ends_the_driver() {
    let model = Model::new(Shape::default());
    let driver = model.start(Settings::default()).expect("starts");
    model.device().faults.flips_identifiers = 0x40;
    let _ = driver.read(1, &mut [0; 512]);
}

#[test]
#[should_panic(expected = "which it was never given")]
fn a_completion_of_another_queue_ends_the_driver() {
    let model = Model::new(Shape::default());
    let driver = model.start(Settings::default()).expect("starts");
    model.device().faults.flips_queues = 0x8000;
    let _ = driver.read(1, &mut [0; 512]);
}

#[test]
#[should_panic(expected = "cannot have put there")]
fn a_completion_out_of_its_place_ends_the_driver() {
    let model = Model::new(Shape::default());
    let driver = model.start(Settings::default()).expect("starts");
    model.device().faults.skips_places = true;
    let _ = driver.read(1, &mut [0; 512]);
}
