//! Measures a block device: single requests and batches.
//!
//! The device may be another domain's, behind a proxy, or a driver that is
//! linked into the domain that measures ([`Target`]).
//!
//! Every request moves 4 KiB at a place chosen by a fixed pseudo-random
//! sequence. Rows in `per_second` come from the clock and include waiting; rows
//! in `cycles` count the calls that submit requests and the polls that bring
//! finished ones, and leave out polls in vain.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use exchange::{Proxy, RRefSlice};
use interfaces::block::{
    BATCH, BlockBatch, BlockDevice, BlockError, BlockOperation, BlockRequest, BlockStatus, Geometry,
};
use measure::{PHASE_MARK, Samples};
use runtime::StartError;
use runtime::time::{Duration, Instant, cycles};

/// Pages of a request.
const PAGES: usize = 1;

/// Bytes of a request.
const BYTES: usize = PAGES * 4096;

/// Requests in one sample.
const ROUND: usize = 32;

/// A request takes at most this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A block device, however it is reached.
pub trait Target {
    /// What it is.
    ///
    /// # Errors
    /// When it is gone, as for all methods.
    fn geometry(&self) -> Result<Geometry, StartError>;
    /// Reads sectors; waits.
    ///
    /// # Errors
    /// Also when the device says so.
    fn read(&self, sector: u64, into: &mut [u8]) -> Result<(), StartError>;
    /// Writes sectors; waits.
    ///
    /// # Errors
    /// Also when the device says so.
    fn write(&self, sector: u64, from: &[u8]) -> Result<(), StartError>;
    /// Starts requests; returns the rest.
    ///
    /// # Errors
    /// As all.
    fn submit(&self, batch: BlockBatch) -> Result<BlockBatch, StartError>;
    /// Appends finished requests.
    ///
    /// # Errors
    /// As all.
    fn poll(&self, room: BlockBatch) -> Result<BlockBatch, StartError>;
}

impl Target for Proxy<dyn BlockDevice> {
    fn geometry(&self) -> Result<Geometry, StartError> {
        Ok(BlockDevice::geometry(self)?)
    }

    #[inline]
    fn read(&self, sector: u64, into: &mut [u8]) -> Result<(), StartError> {
        BlockDevice::read(self, sector, into)?.map_err(failed)
    }

    #[inline]
    fn write(&self, sector: u64, from: &[u8]) -> Result<(), StartError> {
        BlockDevice::write(self, sector, from)?.map_err(failed)
    }

    #[inline]
    fn submit(&self, batch: BlockBatch) -> Result<BlockBatch, StartError> {
        Ok(BlockDevice::submit(self, batch)?)
    }

    #[inline]
    fn poll(&self, room: BlockBatch) -> Result<BlockBatch, StartError> {
        Ok(BlockDevice::poll(self, room)?)
    }
}

/// What guards against the device has done until now.
#[derive(Clone, Copy, Default)]
pub struct Guarding {
    /// Waits until it had forgotten pages.
    pub waits: u64,
    /// Buffers that it worked on a copy of.
    pub bounces: u64,
}

/// Counts what guards against the device do.
pub type Count<'a> = &'a dyn Fn() -> Guarding;

/// Measures a device and reports the rows, with `place` in their names. So many
/// samples of 32 requests for each row. With `count` there are rows of that, too.
///
/// # Errors
/// When the device fails.
pub fn measure<T: Target>(
    device: T,
    place: &str,
    rounds: usize,
    count: Option<Count<'_>>,
) -> Result<(), StartError> {
    let geometry = device.geometry()?;
    let sectors = BYTES as u64 / u64::from(geometry.sector_bytes);
    let mut bench = Bench {
        device,
        place,
        count,
        places: geometry.sectors / sectors,
        sectors,
        random: 0x9e37_79b9_7f4a_7c15,
        room: Some(BlockBatch::new()),
        spare: Some(BlockBatch::new()),
    };
    for (verb, operation) in [
        ("read", BlockOperation::Read),
        ("write", BlockOperation::Write),
    ] {
        let mut single = Samples::with_room(rounds * ROUND);
        let mut direct = Samples::with_room(rounds);
        for _ in 0..rounds {
            direct.add(bench.direct(operation, &mut single)?);
        }
        let name = alloc::format!("{verb} 4 KiB{place}, blocking call");
        runtime::log::info!("{}", direct.rate(&name, None));
        let latency = alloc::format!("{name}, latency");
        single.tail(&latency, "ns", |row| runtime::log::info!("{row}"));
        for depth in [1, BATCH] {
            bench.report(operation, verb, depth, rounds, &name)?;
        }
    }
    Ok(())
}

struct Bench<'a, T> {
    device: T,
    /// What rows say of where the device is.
    place: &'a str,
    count: Option<Count<'a>>,
    /// Places a request may begin at, and sectors between them.
    places: u64,
    sectors: u64,
    random: u64,
    /// Batches kept from call to call.
    room: Option<BlockBatch>,
    spare: Option<BlockBatch>,
}

impl<T: Target> Bench<'_, T> {
    /// The next place, by xorshift.
    fn sector(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % self.places * self.sectors
    }

    /// Nanoseconds per request of one round of blocking calls; those of each
    /// go to `single`.
    fn direct(
        &mut self,
        operation: BlockOperation,
        single: &mut Samples,
    ) -> Result<f64, StartError> {
        // A page: a device behind an IOMMU would have a copy of anything else.
        let mut buffer = RRefSlice::zeroed_pages(PAGES);
        let first = Instant::now();
        let mut before = first;
        for _ in 0..ROUND {
            let sector = self.sector();
            match operation {
                BlockOperation::Write => self.device.write(sector, &buffer)?,
                _ => self.device.read(sector, &mut buffer)?,
            }
            let after = Instant::now();
            single.add((after - before).as_nanos() as f64);
            before = after;
        }
        Ok((before - first).as_nanos() as f64 / ROUND as f64)
    }

    /// Measures requests by batches of `depth`, and reports two rows.
    fn report(
        &mut self,
        operation: BlockOperation,
        verb: &str,
        depth: usize,
        rounds: usize,
        baseline: &str,
    ) -> Result<(), StartError> {
        let place = self.place;
        let mut batch = BlockBatch::new();
        for tag in 0..depth as u64 {
            let buffer = RRefSlice::zeroed_pages(PAGES);
            // A batch has room for every depth measured.
            let _ = batch.push_back(request(tag, operation, buffer));
        }
        let before = self.count.map(|count| count());
        mark(format_args!("0"));
        let (mut times, mut costs) = (Samples::with_room(rounds), Samples::with_room(rounds));
        for _ in 0..rounds {
            let before = Instant::now();
            let mut cost = 0;
            for _ in 0..ROUND / depth {
                let (finished, spent) = self.exchange(batch)?;
                cost += spent;
                batch = self.renew(finished, operation)?;
            }
            times.add(before.elapsed().as_nanos() as f64 / ROUND as f64);
            costs.add(cost as f64 / ROUND as f64);
        }
        let name = alloc::format!("{verb} 4 KiB{place}, depth {depth}");
        mark(format_args!("{} {name}, doorbells", rounds * ROUND));
        runtime::log::info!("{}", times.rate(&name, Some(baseline)));
        let name = alloc::format!("{name}, per request");
        runtime::log::info!("{}", costs.row(&name, "cycles", None));
        if let Some((count, before)) = self.count.zip(before) {
            let now = count();
            let requests = (rounds * ROUND) as f64;
            for (what, spent) in [
                ("waits for the IOMMU", now.waits - before.waits),
                ("bounced", now.bounces - before.bounces),
            ] {
                let mut share = Samples::with_room(1);
                share.add(spent as f64 * 1000.0 / requests);
                let name = alloc::format!("{verb} 4 KiB{place}, depth {depth}, {what}");
                runtime::log::info!("{}", share.row(&name, "per_1000_requests", None));
            }
        }
        Ok(())
    }

    /// Submits a batch and polls until all of it is finished; the cycles that
    /// took, polls in vain left out.
    fn exchange(&mut self, batch: BlockBatch) -> Result<(BlockBatch, u64), StartError> {
        let depth = batch.len();
        let before = cycles();
        let mut rest = self.device.submit(batch)?;
        let mut spent = cycles().wrapping_sub(before);
        let mut room = self.room.take().unwrap_or_default();
        let deadline = Instant::now() + PATIENCE;
        while room.len() < depth {
            if !rest.is_empty() {
                let before = cycles();
                rest = self.device.submit(rest)?;
                spent += cycles().wrapping_sub(before);
            }
            let found = room.len();
            let before = cycles();
            room = self.device.poll(room)?;
            if room.len() > found {
                spent += cycles().wrapping_sub(before);
            } else if Instant::now() > deadline {
                return Err(StartError::new("a request was not finished in time"));
            }
        }
        self.room = Some(rest);
        Ok((room, spent))
    }

    /// The same requests again, at other places.
    fn renew(
        &mut self,
        mut finished: BlockBatch,
        operation: BlockOperation,
    ) -> Result<BlockBatch, StartError> {
        let mut batch = self.spare.take().unwrap_or_default();
        while let Some(done) = finished.pop_front() {
            if done.status != BlockStatus::Done {
                return Err(failed(done.error));
            }
            let Some(buffer) = done.buffer else {
                return Err(StartError::new("a request came back without its buffer"));
            };
            let mut next = request(done.tag, operation, buffer);
            next.sector = self.sector();
            // As many as before.
            let _ = batch.push_back(next);
        }
        self.spare = Some(finished);
        Ok(batch)
    }
}

const fn request(tag: u64, operation: BlockOperation, buffer: RRefSlice<u8>) -> BlockRequest {
    BlockRequest {
        tag,
        sector: 0,
        operation,
        status: BlockStatus::Pending,
        error: BlockError::Device,
        is_lent: 0,
        buffer: Some(buffer),
    }
}

/// Begins or ends a phase that the machine's own trace is looked at for: the line
/// stands among what is traced where it belongs.
fn mark(phase: core::fmt::Arguments<'_>) {
    runtime::log::info!("{PHASE_MARK}{phase}");
    runtime::log::logger().flush();
}

/// A failure of the device, as one of the benchmark.
#[must_use]
pub fn failed(error: BlockError) -> StartError {
    StartError::new(format_args!("the device failed: {error:?}"))
}
