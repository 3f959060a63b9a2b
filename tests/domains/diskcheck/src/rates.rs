//! How many requests a second a block device carries out.

use exchange::{Proxy, RRefSlice};
use interfaces::block::{BATCH, BlockBatch, BlockDevice, BlockOperation, BlockStatus};
use runtime::time::{Duration, Instant};
use runtime::{log, thread};

use crate::{ANSWER_TIME, AREA_BYTES, Failure, Numbers, request};

/// Bytes of each request that is timed.
const BYTES: usize = 4096;
/// Batches that are timed without the device's share.
const ROUNDS: usize = 20;
/// Time the device has for one of them.
const PAUSE: Duration = Duration::from_millis(20);

/// Times random reads and writes of 4 KiB, one at a time and 32 at once.
pub fn measure(
    device: &Proxy<dyn BlockDevice>,
    numbers: &mut Numbers,
    requests: usize,
) -> Result<(), Failure> {
    for operation in [BlockOperation::Read, BlockOperation::Write] {
        let start = Instant::now();
        one_by_one(device, numbers, operation, requests)?;
        report(operation, 1, requests, start);
        let start = Instant::now();
        let done = at_once(device, numbers, operation, requests)?;
        report(operation, BATCH, done, start);
    }
    calls_alone(device, numbers)
}

/// Times the calls of a batch without the device's share: it has all the time
/// it wants between submission and poll.
fn calls_alone(device: &Proxy<dyn BlockDevice>, numbers: &mut Numbers) -> Result<(), Failure> {
    let sector_bytes = device.geometry()?.sector_bytes.into();
    let mut batch = BlockBatch::new();
    for tag in 0..BATCH as u64 {
        let sector = place(numbers, sector_bytes);
        // A batch has room for as many as there are.
        let _ = batch.push_back(request(BlockOperation::Read, tag, sector, BYTES, 0));
    }
    let mut submit_ns = 0;
    let mut poll_ns = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let rest = device.submit(batch)?;
        submit_ns += start.elapsed().as_nanos();
        thread::sleep(PAUSE);
        let start = Instant::now();
        batch = device.poll(rest)?;
        poll_ns += start.elapsed().as_nanos();
        // A busy machine may need longer than the pause.
        batch = drain(device, batch, BATCH)?;
    }
    let requests = (ROUNDS * BATCH) as u128;
    let (submit_ns, poll_ns) = (submit_ns / requests, poll_ns / requests);
    log::info!("diskcheck: submit takes {submit_ns} ns, poll {poll_ns} ns of each of {BATCH}");
    Ok(())
}

fn report(operation: BlockOperation, depth: usize, requests: usize, start: Instant) {
    let time_ns = start.elapsed().as_nanos().max(1);
    let rate = requests as u128 * 1_000_000_000 / time_ns;
    log::info!(
        "diskcheck: {operation:?} depth {depth}: {rate} per second, {} ns each",
        time_ns / requests.max(1) as u128
    );
}

fn place(numbers: &mut Numbers, sector_bytes: u64) -> u64 {
    numbers.below((AREA_BYTES / BYTES) as u64) * (BYTES as u64 / sector_bytes)
}

fn one_by_one(
    device: &Proxy<dyn BlockDevice>,
    numbers: &mut Numbers,
    operation: BlockOperation,
    requests: usize,
) -> Result<(), Failure> {
    let sector_bytes = device.geometry()?.sector_bytes.into();
    // Whole pages, so that it is one piece to the device as well.
    let mut buffer = RRefSlice::zeroed_pages(BYTES / 4096);
    for _ in 0..requests {
        let sector = place(numbers, sector_bytes);
        match operation {
            BlockOperation::Write => device.write(sector, &buffer)??,
            _ => device.read(sector, &mut buffer)??,
        }
    }
    Ok(())
}

/// Keeps 32 requests under way; how many were carried out.
fn at_once(
    device: &Proxy<dyn BlockDevice>,
    numbers: &mut Numbers,
    operation: BlockOperation,
    requests: usize,
) -> Result<usize, Failure> {
    let sector_bytes = device.geometry()?.sector_bytes.into();
    let mut ready = BlockBatch::new();
    for tag in 0..BATCH as u64 {
        let sector = place(numbers, sector_bytes);
        // A batch has room for as many as there are.
        let _ = ready.push_back(request(operation, tag, sector, BYTES, 0));
    }
    let mut done = 0;
    let mut polls = 0_usize;
    while done < requests {
        ready = device.submit(ready)?;
        let before = ready.len();
        ready = device.poll(ready)?;
        for index in before..ready.len() {
            let sector = place(numbers, sector_bytes);
            if let Some(request) = ready.get_mut(index) {
                if request.status != BlockStatus::Done {
                    return Err(Failure::Block(request.error));
                }
                request.sector = sector;
                request.status = BlockStatus::Pending;
            }
        }
        done += ready.len() - before;
        polls += 1;
    }
    log::info!("diskcheck: {done} requests took {polls} polls");
    drain(device, ready, BATCH)?;
    Ok(done)
}

/// Waits for what is still under way; all of it.
fn drain(
    device: &Proxy<dyn BlockDevice>,
    mut room: BlockBatch,
    count: usize,
) -> Result<BlockBatch, Failure> {
    let deadline = Instant::now() + ANSWER_TIME;
    while Instant::now() < deadline {
        if room.len() == count {
            return Ok(room);
        }
        room = device.poll(room)?;
    }
    Err(Failure::Lost(count - room.len()))
}
