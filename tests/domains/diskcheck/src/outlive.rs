//! Batches that outlive the deaths of all who carry them out.
//!
//! The client has a shadow of its own, as a library: it lends its buffers, and submits
//! again what did not come back finished.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use exchange::Proxy;
use interfaces::block::BlockDevice;
use runtime::sync::Mutex;
use runtime::thread::{Priority, sleep};
use runtime::time::Duration;
use runtime::{DomainControl, InjectedFault, Options, log, thread};
use shadow::Guard;
use shadow_block::Shadow;

use crate::crash::{find, wait_until};
use crate::{Failure, Numbers, check_batches};

/// Ways for a domain to end at once; a shadow has no watchdog.
const FAULTS: [InjectedFault; 4] = [
    InjectedFault::Kill,
    InjectedFault::Panic,
    InjectedFault::NullDereference,
    InjectedFault::StackOverflow,
];

/// Deaths of each domain.
const DEATHS: usize = 20;

/// A thread that runs batches all the time, and what became of them.
#[derive(Default)]
struct Work {
    is_over: AtomicBool,
    has_ended: AtomicBool,
    rounds: AtomicU32,
    failure: Mutex<Option<Failure>>,
}

impl Work {
    fn run(&self, device: &Shadow, sector_bytes: usize) {
        let mut numbers = Numbers(0x2545_F491_4F6C_DD1D);
        while !self.is_over.load(Ordering::Relaxed) {
            if let Err(failure) = check_batches(device, &mut numbers, sector_bytes) {
                *self.failure.lock() = Some(failure);
                break;
            }
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Waits until batches have been run that began now; not if one has failed.
    fn wait_for_progress(&self) -> Result<(), Failure> {
        let before = self.rounds.load(Ordering::Relaxed);
        wait_until(|| {
            let rounds = self.rounds.load(Ordering::Relaxed) - before;
            rounds >= 2 || self.has_ended.load(Ordering::Relaxed)
        })
    }
}

/// Ends the domains `names`, separated by commas, in each way and in turn, while
/// batches are under way, of which nothing may be lost.
pub fn check(
    device: &Proxy<dyn BlockDevice>,
    control: &DomainControl,
    names: &str,
    sector_bytes: usize,
) -> Result<(), Failure> {
    let device = device.try_clone().map_err(|_| Failure::NoMemory)?;
    let guard = Guard::new(device, &Options::new(alloc::string::String::new()));
    let shadow = Shadow::new(guard.map_err(|_| Failure::NoMemory)?);
    let work = Arc::new(Work::default());
    let shared = Arc::clone(&work);
    let run = move || shared.run(&shadow, sector_bytes);
    thread::spawn("batches", Priority::Normal, run).map_err(|_| Failure::NoMemory)?;
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for round in 0..DEATHS {
        for name in names.split(',') {
            work.wait_for_progress()?;
            sleep(Duration::from_micros(numbers.below(3_000)));
            let fault = FAULTS[round % FAULTS.len()];
            let injected = control.inject(find(control, name)?, fault);
            injected.map_err(|_| Failure::NoDriver)?;
        }
    }
    work.wait_for_progress()?;
    work.is_over.store(true, Ordering::Relaxed);
    wait_until(|| work.has_ended.load(Ordering::Relaxed))?;
    let rounds = work.rounds.load(Ordering::Relaxed);
    log::info!("diskcheck: {rounds} rounds of batches outlived {names}, {DEATHS} times each");
    work.failure.lock().take().map_or(Ok(()), Err)
}
