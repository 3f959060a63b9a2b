//! Writes, reads back and times a block device, then powers off.
//!
//! It leaves the device as it was.
//! A system test without a file system: whatever goes wrong is the driver's,
//! the machine's or the device's. The exit status is 0 if every byte came back.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod crash;
mod outlive;
mod rates;

use alloc::vec;
use alloc::vec::Vec;

use exchange::{Proxy, RRefSlice};
use interfaces::block::{
    BATCH, BlockBatch, BlockDevice, BlockError, BlockOperation, BlockRequest, BlockStatus,
};
use runtime::thread::Priority;
use runtime::time::{Duration, Instant};
use runtime::{DomainControl, Options, StartError, domain, log, thread};

/// Bytes of the device that are overwritten and restored, from its start on.
const AREA_BYTES: usize = 8 << 20;

/// How long a request may take on a machine that is busy with others.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Checks `device` on a thread of its own. Options: `verify` (false for devices
/// that keep nothing, which are only timed), `requests` to time, `crash`, the name
/// of the driver's domain, to end it in several ways, and `outlive`, names of domains
/// that end, in turn, while batches are under way that are not to notice.
#[domain]
fn diskcheck(
    device: Proxy<dyn BlockDevice>,
    control: DomainControl,
    options: Options,
) -> Result<(), StartError> {
    let requests = options.number("requests", 2_000)? as usize;
    thread::spawn("diskcheck", Priority::Normal, move || {
        let status = match preserved(&device, || check(&device, &control, &options, requests)) {
            Ok(()) => 0,
            Err(failure) => {
                log::error!("diskcheck: {failure:?}");
                1
            }
        };
        control.power_off(status)
    })
    .map_err(|_| StartError::new("no memory for a thread"))?;
    Ok(())
}

/// What went wrong.
#[derive(Debug)]
pub enum Failure {
    /// The driver died.
    Dead,
    /// The device refused.
    Block(BlockError),
    /// Other bytes came back, from this sector on.
    Different(u64),
    /// The device did what it should have refused.
    NotRefused,
    /// No memory for a thread or a proxy.
    NoMemory,
    /// A thread that used the driver did not come back, or got nothing done.
    Stuck,
    /// There is no driver of that name to end.
    NoDriver,
    /// The device wrote to memory for a driver that was dead.
    LateTransfer,
    /// Requests of a batch were lost.
    Lost(usize),
}

impl From<exchange::RpcError> for Failure {
    fn from(_: exchange::RpcError) -> Self {
        Self::Dead
    }
}

impl From<BlockError> for Failure {
    fn from(error: BlockError) -> Self {
        Self::Block(error)
    }
}

/// A sequence of numbers that look random (xorshift).
pub struct Numbers(u64);

impl Numbers {
    /// A number below `bound`.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Runs `job`, which may write to the area, and restores what was there.
fn preserved(
    device: &Proxy<dyn BlockDevice>,
    job: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut before = vec![0; AREA_BYTES];
    device.read(0, &mut before)??;
    let outcome = job();
    device.write(0, &before)??;
    device.flush()??;
    outcome
}

fn check(
    device: &Proxy<dyn BlockDevice>,
    control: &DomainControl,
    options: &Options,
    requests: usize,
) -> Result<(), Failure> {
    let geometry = device.geometry()?;
    log::info!("diskcheck: {geometry:?}");
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    if options.text("verify") == Some("false") {
        return rates::measure(device, &mut numbers, requests);
    }
    check_calls(device, &mut numbers, geometry.sector_bytes as usize)?;
    check_refusals(device, geometry.sectors, geometry.sector_bytes as usize)?;
    check_batches(device, &mut numbers, geometry.sector_bytes as usize)?;
    log::info!("diskcheck: every byte came back");
    rates::measure(device, &mut numbers, requests)?;
    if let Some(names) = options.text("outlive") {
        outlive::check(device, control, names, geometry.sector_bytes as usize)?;
    }
    let Some(driver) = options.text("crash") else {
        return Ok(());
    };
    crash::check_restarts(device, control, driver, || {
        check_calls(device, &mut numbers, geometry.sector_bytes as usize)
    })?;
    crash::check_late_transfers(device, control, driver)?;
    log::info!("diskcheck: the device works after every crash");
    Ok(())
}

/// Calls of all lengths and alignments against a copy in memory.
fn check_calls(
    device: &Proxy<dyn BlockDevice>,
    numbers: &mut Numbers,
    sector_bytes: usize,
) -> Result<(), Failure> {
    let mut expected = vec![0; AREA_BYTES];
    for piece in expected.chunks_mut(1 << 20).enumerate() {
        piece.1.fill(piece.0 as u8);
    }
    device.write(0, &expected)??;
    let mut memory = vec![0; (2 << 20) + 64];
    for round in 0..60 {
        let most = 1 << numbers.below(12);
        let sectors = 1 + numbers.below(most) as usize;
        let bytes = (sectors * sector_bytes).min(2 << 20);
        let sector = numbers.below(((AREA_BYTES - bytes) / sector_bytes) as u64 + 1);
        let place = if round % 4 == 0 {
            numbers.below(64) as usize
        } else {
            0
        };
        let area = sector as usize * sector_bytes..sector as usize * sector_bytes + bytes;
        let buffer = &mut memory[place..place + bytes];
        if numbers.below(2) == 0 {
            let seed = numbers.below(256) as usize;
            for (index, byte) in buffer.iter_mut().enumerate() {
                *byte = (index * 7 + seed) as u8;
            }
            device.write(sector, buffer)??;
            expected[area].copy_from_slice(buffer);
        } else {
            buffer.fill(0xA5);
            device.read(sector, buffer)??;
            if *buffer != expected[area] {
                return Err(Failure::Different(sector));
            }
        }
    }
    device.flush()??;
    device.read(0, &mut memory[..1 << 20])??;
    if memory[..1 << 20] != expected[..1 << 20] {
        return Err(Failure::Different(0));
    }
    Ok(())
}

fn check_refusals(
    device: &Proxy<dyn BlockDevice>,
    sectors: u64,
    sector_bytes: usize,
) -> Result<(), Failure> {
    let mut buffer = vec![0; 2 * sector_bytes];
    match device.read(sectors - 1, &mut buffer)? {
        Err(BlockError::OutOfRange) => {}
        _ => return Err(Failure::NotRefused),
    }
    match device.write(0, &buffer[..sector_bytes + 1])? {
        Err(BlockError::BadLength) => Ok(()),
        _ => Err(Failure::NotRefused),
    }
}

/// A request with a buffer of `bytes` bytes of `fill`.
pub fn request(
    operation: BlockOperation,
    tag: u64,
    sector: u64,
    bytes: usize,
    fill: u8,
) -> BlockRequest {
    BlockRequest {
        tag,
        sector,
        operation,
        status: BlockStatus::Pending,
        error: BlockError::Device,
        is_lent: 0,
        buffer: Some(RRefSlice::from_fn(bytes, |_| fill)),
    }
}

/// Batches of writes, then of reads of the same places.
fn check_batches(
    device: &dyn BlockDevice,
    numbers: &mut Numbers,
    sector_bytes: usize,
) -> Result<(), Failure> {
    let bytes = 16 * sector_bytes;
    for _ in 0..10 {
        let base = numbers.below((AREA_BYTES / sector_bytes - 16 * BATCH) as u64);
        let place = |tag: usize| base + tag as u64 * 16;
        let fill = numbers.below(200) as u8;
        for operation in [BlockOperation::Write, BlockOperation::Read] {
            let is_write = operation == BlockOperation::Write;
            let make = |tag: usize| {
                let byte = if is_write { fill + tag as u8 } else { 0xFF };
                request(operation, tag as u64, place(tag), bytes, byte)
            };
            for done in run_batch(device, (0..BATCH).map(make).collect())? {
                if done.status != BlockStatus::Done {
                    return Err(Failure::Block(done.error));
                }
                let expected = fill + done.tag as u8;
                let buffer = done.buffer.ok_or(Failure::Lost(1))?;
                if buffer.iter().any(|byte| *byte != expected) {
                    return Err(Failure::Different(done.sector));
                }
            }
        }
    }
    Ok(())
}

fn run_batch(
    device: &dyn BlockDevice,
    requests: Vec<BlockRequest>,
) -> Result<Vec<BlockRequest>, Failure> {
    let count = requests.len();
    let mut batch = BlockBatch::new();
    for request in requests {
        // A batch has room for as many as there are.
        let _ = batch.push_back(request);
    }
    let mut all = Vec::new();
    let deadline = Instant::now() + ANSWER_TIME;
    while Instant::now() < deadline {
        batch = device.submit(batch)?;
        let mut done = device.poll(BlockBatch::new())?;
        while let Some(request) = done.pop_front() {
            all.push(request);
        }
        if all.len() == count {
            return Ok(all);
        }
    }
    Err(Failure::Lost(count - all.len()))
}
