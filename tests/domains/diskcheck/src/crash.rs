//! Ends the driver while requests are under way, and uses its successor.

use alloc::sync::Arc;
use alloc::vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use exchange::{Proxy, RRefSlice};
use interfaces::block::{BATCH, BlockBatch, BlockDevice, BlockOperation};
use runtime::thread::Priority;
use runtime::time::{Duration, Instant};
use runtime::{DomainControl, DomainState, InjectedFault, log, name_text, thread};

use crate::{Failure, request};

/// Ways for a driver to end. The watchdog of `systems/disk.toml` ends the loop.
const FAULTS: [InjectedFault; 5] = [
    InjectedFault::Kill,
    InjectedFault::Panic,
    InjectedFault::NullDereference,
    InjectedFault::StackOverflow,
    InjectedFault::EndlessLoop,
];
/// Longest time until the successor answers: the reset of a PCI function takes
/// 100 ms, the rest is start-up.
const PATIENCE: Duration = Duration::from_secs(5);

/// A thread that reads all the time, and what became of its calls.
#[derive(Default)]
struct Reader {
    is_over: AtomicBool,
    has_ended: AtomicBool,
    good: AtomicU32,
    dead: AtomicU32,
    refused: AtomicU32,
}

impl Reader {
    fn start(device: &Proxy<dyn BlockDevice>) -> Result<Arc<Self>, Failure> {
        let device = device.try_clone().map_err(|_| Failure::NoMemory)?;
        let reader = Arc::new(Self::default());
        let shared = Arc::clone(&reader);
        let run = move || {
            let mut buffer = vec![0; 32 << 10];
            while !shared.is_over.load(Ordering::Relaxed) {
                let count = match device.read(0, &mut buffer) {
                    Ok(Ok(())) => &shared.good,
                    Ok(Err(_)) => &shared.refused,
                    Err(_) => &shared.dead,
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
            shared.has_ended.store(true, Ordering::Relaxed);
        };
        thread::spawn("reader", Priority::Normal, run).map_err(|_| Failure::NoMemory)?;
        Ok(reader)
    }

    /// Waits until another call has worked.
    fn wait_for_progress(&self) -> Result<(), Failure> {
        let before = self.good.load(Ordering::Relaxed);
        wait_until(|| self.good.load(Ordering::Relaxed) != before)
    }

    /// Ends the thread. Calls may have met the death of the driver, but none
    /// was refused by a living one.
    fn finish(&self) -> Result<(), Failure> {
        self.is_over.store(true, Ordering::Relaxed);
        wait_until(|| self.has_ended.load(Ordering::Relaxed))?;
        let [good, dead, refused] =
            [&self.good, &self.dead, &self.refused].map(|count| count.load(Ordering::Relaxed));
        log::info!("diskcheck: reader: {good} good, {dead} met a death, {refused} refused");
        if refused == 0 {
            Ok(())
        } else {
            Err(Failure::Stuck)
        }
    }
}

pub fn wait_until(condition: impl Fn() -> bool) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        if Instant::now() > deadline {
            return Err(Failure::Stuck);
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Bytes of each of the buffers that are watched.
const WATCHED_BYTES: usize = 64 << 10;

/// Ends the driver with reads of long buffers under way, again and again. What
/// the device still does for the dead must not reach memory that somebody else
/// has got since: buffers of the same size are filled, left alone for a while,
/// and looked at.
pub fn check_late_transfers(
    device: &Proxy<dyn BlockDevice>,
    control: &DomainControl,
    driver: &str,
) -> Result<(), Failure> {
    for round in 0..20 {
        let mut batch = BlockBatch::new();
        for tag in 0..BATCH as u64 {
            let sector = tag * (WATCHED_BYTES as u64 / 4096);
            let read = request(BlockOperation::Read, tag, sector, WATCHED_BYTES, 0);
            // A batch has room for as many as there are.
            let _ = batch.push_back(read);
        }
        let rest = device.submit(batch)?;
        let id = find(control, driver)?;
        control
            .inject(id, InjectedFault::Kill)
            .map_err(|_| Failure::NoDriver)?;
        control
            .wait_death(Some(id), Instant::now() + PATIENCE)
            .map_err(|_| Failure::Stuck)?;
        drop(rest);
        let fill = 0x50 + round;
        let watched: alloc::vec::Vec<_> = (0..BATCH)
            .map(|_| RRefSlice::from_fn(WATCHED_BYTES, |_| fill))
            .collect();
        thread::sleep(Duration::from_millis(20));
        let is_touched = |buffer: &RRefSlice<u8>| buffer.iter().any(|byte| *byte != fill);
        if watched.iter().any(is_touched) {
            return Err(Failure::LateTransfer);
        }
        wait_for_successor(device, control, driver, id)?;
    }
    log::info!("diskcheck: no transfer came late");
    Ok(())
}

/// Ends the domain `driver` in every way, with a batch under way and a thread
/// that reads, and runs `check` on the device after each.
pub fn check_restarts(
    device: &Proxy<dyn BlockDevice>,
    control: &DomainControl,
    driver: &str,
    mut check: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    for fault in FAULTS {
        let reader = Reader::start(device)?;
        reader.wait_for_progress()?;
        let mut batch = BlockBatch::new();
        for tag in 0..BATCH as u64 {
            // A batch has room for as many as there are.
            let _ = batch.push_back(request(BlockOperation::Read, tag, tag * 64, 16384, 0));
        }
        let rest = device.submit(batch)?;
        let end = Instant::now();
        let id = find(control, driver)?;
        control.inject(id, fault).map_err(|_| Failure::NoDriver)?;
        wait_for_successor(device, control, driver, id)?;
        log::info!(
            "diskcheck: {fault:?}: back after {} ms",
            end.elapsed().as_millis()
        );
        drop(rest);
        reader.wait_for_progress()?;
        reader.finish()?;
        check()?;
    }
    Ok(())
}

/// Owner id of the living driver.
pub fn find(control: &DomainControl, driver: &str) -> Result<u64, Failure> {
    let domains = control.list().map_err(|_| Failure::NoDriver)?;
    let found = domains.iter().find(|domain| {
        name_text(&domain.name) == driver && domain.state == DomainState::Running as u32
    });
    found.map(|domain| domain.id).ok_or(Failure::NoDriver)
}

/// Waits until another domain than `dead` is the driver, and answers.
fn wait_for_successor(
    device: &Proxy<dyn BlockDevice>,
    control: &DomainControl,
    driver: &str,
    dead: u64,
) -> Result<(), Failure> {
    wait_until(|| {
        let is_new = find(control, driver).is_ok_and(|id| id != dead);
        is_new && device.geometry().is_ok()
    })
}
