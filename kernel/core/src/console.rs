//! The console: one reader at a time, writers whole.
//!
//! Input stays here until its reader says, by reading what is behind it, that it has
//! taken it: one that dies with it has a successor.

use core::sync::atomic::{AtomicU32, Ordering};

use abi::status::ServiceError;

use crate::machine;
use crate::sync::SpinLock;
use crate::wait;

/// Counts arrivals of input; readers wait for it to change.
static ARRIVALS: AtomicU32 = AtomicU32::new(0);
static OUTPUT: SpinLock<()> = SpinLock::new(());

/// Bytes written before other threads get a chance.
pub(crate) const WRITE_CHUNK: usize = 256;

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

/// Bytes of input that may be given again.
const HELD: usize = 256;

static INPUT: SpinLock<Input> = SpinLock::new(Input::new());

/// Input that its reader may not have taken yet.
struct Input {
    /// Position of the first byte, counted since boot.
    position: u64,
    length: usize,
    bytes: [u8; HELD],
}

impl Input {
    const fn new() -> Self {
        Self {
            position: 0,
            length: 0,
            bytes: [0; HELD],
        }
    }

    /// Forgets what lies before `taken`.
    fn forget(&mut self, taken: u64) {
        let taken = taken.saturating_sub(self.position).min(self.length as u64);
        self.position += taken;
        let taken = taken as usize;
        self.bytes.copy_within(taken..self.length, 0);
        self.length -= taken;
    }

    /// Gives the first bytes, and more from `source` if there are none; how many.
    /// `None`: the source has ended.
    fn give(
        &mut self,
        into: &mut [u8],
        source: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<usize> {
        if self.length == 0 {
            self.length = source(&mut self.bytes)?;
        }
        let count = self.length.min(into.len());
        into[..count].copy_from_slice(&self.bytes[..count]);
        Some(count)
    }
}

/// Gives input from `position` on, which becomes that of the first byte.
fn give(position: &mut u64, into: &mut [u8]) -> Option<usize> {
    let mut input = INPUT.lock();
    input.forget(*position);
    *position = input.position;
    input.give(into, |bytes| machine::get().console_read(bytes))
}

/// Reads at least one byte of input behind what was taken; 0 at its end.
///
/// # Errors
/// `TimedOut` or `Interrupted`, see [`wait::wait`].
pub fn read(position: &mut u64, into: &mut [u8], deadline_ns: u64) -> Result<usize, ServiceError> {
    loop {
        let seen = ARRIVALS.load(Ordering::SeqCst);
        match give(position, into) {
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

#[cfg(test)]
mod tests {
    use super::Input;

    #[test]
    fn what_was_not_taken_is_given_again() {
        let mut input = Input::new();
        let mut into = [0; 4];
        let typed = |bytes: &mut [u8]| {
            bytes[..6].copy_from_slice(b"abcdef");
            Some(6)
        };
        let nothing = |_: &mut [u8]| Some(0);
        assert_eq!(input.give(&mut into, typed), Some(4));
        // Its reader died, and took only one byte.
        input.forget(1);
        assert_eq!(input.give(&mut into, nothing), Some(4));
        assert_eq!((&into, input.position), (b"bcde", 1));
        input.forget(5);
        assert_eq!(input.give(&mut into, nothing), Some(1));
        assert_eq!(into[0], b'f');
        // One that knows of nothing goes on where the last one was.
        input.forget(0);
        assert_eq!((input.position, input.length), (5, 1));
        input.forget(u64::MAX);
        assert_eq!((input.position, input.length), (6, 0));
        assert_eq!(input.give(&mut into, nothing), Some(0));
        assert_eq!(input.give(&mut into, |_| None), None);
    }
}
