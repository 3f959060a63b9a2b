//! Randomness.

use abi::status::{ServiceError, check};
use exchange::thread::services;

/// Fills `buffer` with randomness from the machine.
///
/// # Errors
/// [`ServiceError::Unsupported`] where the machine has no source of it.
pub fn random(buffer: &mut [u8]) -> Result<(), ServiceError> {
    // SAFETY: every domain may ask; the buffer is writable for the call.
    check(unsafe { (services().random)(buffer.as_mut_ptr(), buffer.len()) }).map(drop)
}
