//! Ends the driver while requests are under way, and uses its successor.

use exchange::Proxy;
use interfaces::block::{BATCH, BlockBatch, BlockDevice, BlockOperation};
use runtime::time::{Duration, Instant};
use runtime::{DomainControl, DomainState, InjectedFault, log, name_text, thread};

use crate::{Failure, request};

/// Ways for a driver to end. An endless loop needs a watchdog.
const FAULTS: [InjectedFault; 4] = [
    InjectedFault::Kill,
    InjectedFault::Panic,
    InjectedFault::NullDereference,
    InjectedFault::StackOverflow,
];
/// Longest time until the successor answers: the reset of a PCI function takes
/// 100 ms, the rest is start-up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends the domain `driver` in every way, with a batch under way, and runs
/// `check` on the device after each.
pub fn check_restarts(
    device: &Proxy<dyn BlockDevice>,
    control: &DomainControl,
    driver: &str,
    mut check: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    for fault in FAULTS {
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
        check()?;
    }
    Ok(())
}

/// Owner id of the living driver.
fn find(control: &DomainControl, driver: &str) -> Result<u64, Failure> {
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
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let is_new = find(control, driver).is_ok_and(|id| id != dead);
        if is_new && device.geometry().is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(Failure::Dead)
}
