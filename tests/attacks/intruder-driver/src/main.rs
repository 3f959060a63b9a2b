//! A driver that reaches for devices and files that others were granted.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

use hardware::PciFunction;
use runtime::{HostFile, ServiceError, StartError, domain, log};

/// Addresses of functions on bus 0, where the machine has all of its own.
const FUNCTIONS: core::ops::Range<u32> = 0..64;

/// Numbers of files.
const FILES: core::ops::Range<u64> = 0..16;

/// The one that its manifest grants it in a process: there is none of that number.
const OWN_FILE: u64 = 1;

/// Vectors of the machine.
const VECTORS: core::ops::Range<u64> = 0..64;

/// Reports what it got besides its own device or file.
#[domain]
fn intruder_driver(
    function: Option<PciFunction>,
    file: Option<HostFile>,
) -> Result<(), StartError> {
    let own = function.as_ref().map(|function| function.info().address);
    let is_denied = |outcome| outcome == Err(ServiceError::Denied);
    let others = || FUNCTIONS.filter(|address| Some(*address) != own);
    let claimed = others().filter(|address| !is_denied(breach::claim(*address)));
    let read = others().filter(|address| breach::read_register(*address).is_ok());
    let heard = VECTORS.filter(|vector| {
        let answer = breach::wait_interrupt(*vector);
        answer.is_ok() || answer == Err(ServiceError::TimedOut)
    });
    log::info!(
        "others' functions claimed: {}, read: {}, interrupts heard: {}",
        claimed.count(),
        read.count(),
        heard.count()
    );
    let others = || FILES.filter(|number| file.is_none() || *number != OWN_FILE);
    let read = others().filter(|number| !is_denied(breach::read_file(*number)));
    let written = others().filter(|number| !is_denied(breach::write_file(*number)));
    log::info!(
        "others' files read: {}, written: {}",
        read.count(),
        written.count()
    );
    Ok(())
}
