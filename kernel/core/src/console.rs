//! The console: one reader at a time, writers whole.

use core::sync::atomic::{AtomicU32, Ordering};

use abi::status::ServiceError;

use crate::machine;
use crate::sync::SpinLock;
use crate::wait;

/// Counts arrivals of input; readers wait for it to change.
static ARRIVALS: AtomicU32 = AtomicU32::new(0);
static OUTPUT: SpinLock<()> = SpinLock::new(());

/// Bytes written before other threads get a chance.
const WRITE_CHUNK: usize = 256;

/// Writes to the console.
pub fn write(text: &[u8]) {
    for chunk in text.chunks(WRITE_CHUNK) {
        let _guard = OUTPUT.lock();
        machine::get().console_write(chunk);
    }
}

/// Writes to the outlet of the log, which is beside the console.
pub fn write_error(text: &[u8]) {
    for chunk in text.chunks(WRITE_CHUNK) {
        crate::log::write_outlet(chunk);
    }
}

/// Reads at least one byte of input; 0 at its end.
///
/// # Errors
/// `TimedOut` or `Interrupted`, see [`wait::wait`].
pub fn read(into: &mut [u8], deadline_ns: u64) -> Result<usize, ServiceError> {
    loop {
        let seen = ARRIVALS.load(Ordering::SeqCst);
        match machine::get().console_read(into) {
            None => return Ok(0),
            Some(0) if crate::scheduler::was_disturbed() => return Err(ServiceError::Interrupted),
            Some(0) => wait::wait(&ARRIVALS, seen, deadline_ns)?,
            Some(count) => return Ok(count),
        }
    }
}

/// Input may be at hand.
pub(crate) fn input_arrived() {
    ARRIVALS.fetch_add(1, Ordering::SeqCst);
    wait::wake(&ARRIVALS, u32::MAX);
}
