//! The device over a small vector.

extern crate std;

use std::sync::Mutex;
use std::vec;
use std::vec::Vec;

use exchange::RRefSlice;
use interfaces::block::{
    BlockBatch, BlockDevice, BlockError, BlockOperation, BlockRequest, BlockStatus,
};

use super::{Immediate, QUEUE_DEPTH, Storage};

struct Bytes(Mutex<Vec<u8>>);

impl Storage for Bytes {
    fn bytes(&self) -> u64 {
        self.0.lock().expect("one thread").len() as u64
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        let bytes = self.0.lock().expect("one thread");
        into.copy_from_slice(&bytes[offset as usize..][..into.len()]);
        Ok(())
    }

    fn write(&self, offset: u64, from: &[u8]) -> Result<(), BlockError> {
        self.0.lock().expect("one thread")[offset as usize..][..from.len()].copy_from_slice(from);
        Ok(())
    }

    fn flush(&self) -> Result<(), BlockError> {
        Ok(())
    }
}

fn device(bytes: usize, is_read_only: bool) -> Immediate<Bytes> {
    Immediate::new(Bytes(Mutex::new(vec![0; bytes])), is_read_only)
}

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

#[test]
fn ranges_and_lengths_are_checked() {
    let device = device(10 * 512 + 100, false);
    assert_eq!(device.geometry().expect("alive").sectors, 10);
    let mut buffer = [0; 1024];
    assert_eq!(device.read(8, &mut buffer), Ok(Ok(())));
    assert_eq!(device.read(9, &mut buffer), Ok(Err(BlockError::OutOfRange)));
    assert_eq!(
        device.read(u64::MAX, &mut buffer),
        Ok(Err(BlockError::OutOfRange))
    );
    assert_eq!(
        device.read(0, &mut buffer[..100]),
        Ok(Err(BlockError::BadLength))
    );
    assert_eq!(device.write(9, &buffer), Ok(Err(BlockError::OutOfRange)));
}

#[test]
fn what_is_written_is_read() {
    let device = device(10 * 512, false);
    assert_eq!(device.write(3, &[7; 512]), Ok(Ok(())));
    let mut buffer = [0; 1536];
    assert_eq!(device.read(2, &mut buffer), Ok(Ok(())));
    assert_eq!(buffer[511..1025], [&[0][..], &[7; 512], &[0]].concat());
}

#[test]
fn a_read_only_device_refuses_writes() {
    let device = device(512, true);
    assert_eq!(device.geometry().expect("alive").read_only, 1);
    assert_eq!(device.write(0, &[1; 512]), Ok(Err(BlockError::ReadOnly)));
}

#[test]
fn batches_are_carried_out_in_order_and_returned_once() {
    let device = device(64 * 512, false);
    let mut batch = BlockBatch::new();
    batch
        .push_back(request(1, BlockOperation::Write, 5, 512))
        .expect("room");
    batch
        .push_back(request(2, BlockOperation::Flush, 0, 0))
        .expect("room");
    batch
        .push_back(request(3, BlockOperation::Read, 5, 512))
        .expect("room");
    batch
        .push_back(request(4, BlockOperation::Read, 64, 512))
        .expect("room");
    batch
        .push_back(request(5, BlockOperation::Write, 0, 0))
        .expect("room");
    assert!(device.submit(batch).expect("alive").is_empty());
    let mut done = device.poll(BlockBatch::new()).expect("alive");
    let outcomes: Vec<_> = done.iter().map(|r| (r.tag, r.status, r.error)).collect();
    let good = |tag| (tag, BlockStatus::Done, BlockError::Device);
    let bad = |tag, error| (tag, BlockStatus::Failed, error);
    let expected = vec![
        good(1),
        good(2),
        good(3),
        bad(4, BlockError::OutOfRange),
        bad(5, BlockError::BadLength),
    ];
    assert_eq!(outcomes, expected);
    let read = done
        .get_mut(2)
        .and_then(|r| r.buffer.take())
        .expect("a buffer");
    assert!(read.iter().all(|byte| *byte == 1), "the write's data");
    assert!(device.poll(BlockBatch::new()).expect("alive").is_empty());
}

#[test]
fn unpolled_requests_hold_the_queue_up() {
    let device = device(512, false);
    let mut taken = 0;
    loop {
        let mut batch = BlockBatch::new();
        while !batch.is_full() {
            batch
                .push_back(request(9, BlockOperation::Flush, 0, 0))
                .expect("room");
        }
        let rest = device.submit(batch).expect("alive").len();
        taken += interfaces::block::BATCH - rest;
        if rest != 0 {
            break;
        }
    }
    assert_eq!(taken, QUEUE_DEPTH);
    let done = device.poll(BlockBatch::new()).expect("alive");
    assert!(done.is_full());
}
