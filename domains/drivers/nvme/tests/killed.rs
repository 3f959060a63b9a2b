//! A killed driver's commands, late: they must not reach reused memory.

#![forbid(unsafe_code)]

mod model;

use exchange::host::{Domain, reclaim};
use exchange::{Loan, RRefSlice};
use hardware::{Platform, Registers};
use interfaces::block::{BlockBatch, BlockError, BlockOperation, BlockRequest, BlockStatus};
use model::{Model, Shape};
use nvme::controller::STOP;
use nvme::settings::Settings;

const BYTES: usize = 4096;
const OURS: u8 = 0xA5;

/// A driver is killed with reads under way; their buffers come back to who lent
/// them and are used for something else. Then the device gets round to the
/// commands. Bytes it has overwritten.
fn late_writes(stop: impl FnOnce(&Model)) -> usize {
    let lender = Domain::new();
    lender.run(|| {
        let shape = Shape {
            is_prompt: false,
            ..Shape::default()
        };
        let model = Model::new(shape);
        let victim = Domain::new();
        let (mut batch, mut loans) = (BlockBatch::new(), Vec::new());
        for tag in 0..8 {
            let (buffer, loan) = Loan::new(RRefSlice::from_slice(&[0; BYTES])).expect("ours");
            loans.push(loan);
            let request = BlockRequest {
                tag,
                sector: 8 * tag,
                operation: BlockOperation::Read,
                status: BlockStatus::Pending,
                error: BlockError::Device,
                is_lent: 0,
                buffer: Some(buffer),
            };
            batch.push_back(request).expect("room");
        }
        victim.run(|| {
            let driver = model.start(Settings::default()).expect("starts");
            assert!(driver.submit(exchange::host::adopt(batch)).is_empty());
            // No destructor of a dead domain runs.
            core::mem::forget(driver);
        });
        victim.die();
        stop(&model);
        reclaim(victim.id());
        let mut buffers: Vec<_> = loans
            .into_iter()
            .map(|loan| loan.take_back().expect("it came back"))
            .collect();
        buffers.iter_mut().for_each(|buffer| buffer.fill(OURS));
        model.sleep_until(1_000_000_000);
        // The model's books are the driver's, who is dead.
        model.device().memory.close_all();
        if model.device().resets != 0 {
            model.assert_clean();
        }
        let all = buffers.iter().flat_map(|buffer| buffer.iter());
        all.filter(|byte| **byte != OURS).count()
    })
}

#[test]
fn a_stopped_controller_writes_to_no_reused_buffer() {
    let stop = |model: &Model| {
        // What the kernel does with the recipe (kernel/core/src/device.rs).
        let control = model.read32(STOP.control as usize);
        model.write32(STOP.control as usize, control & !STOP.clear);
        let status = model.read32(STOP.status as usize);
        assert_eq!(status & STOP.mask, STOP.value, "it has stopped");
    };
    assert_eq!(late_writes(stop), 0);
}

#[test]
fn one_that_is_not_stopped_does() {
    assert!(late_writes(|_| {}) > 8 * BYTES / 2);
}
