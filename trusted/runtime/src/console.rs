//! The console, for whoever was granted it.

use abi::status::{Answer, ServiceError, check};
use exchange::thread::services;

use crate::time::Instant;

/// The right to read and write the console.
#[derive(Debug)]
pub struct Console {
    _granted: (),
}

impl Console {
    pub(crate) const fn granted() -> Self {
        Self { _granted: () }
    }

    /// Writes all bytes.
    ///
    /// # Errors
    /// [`ServiceError::Io`] when the console is gone.
    pub fn write(&self, text: &[u8]) -> Result<(), ServiceError> {
        // SAFETY: the console was granted.
        write_all(unsafe { services() }.console_write, text)
    }

    /// Writes all bytes to the outlet of the kernel's log: standard error, as
    /// seen from outside.
    ///
    /// # Errors
    /// [`ServiceError::Io`] when it is gone.
    pub fn write_error(&self, text: &[u8]) -> Result<(), ServiceError> {
        // SAFETY: the console was granted.
        write_all(unsafe { services() }.console_write_error, text)
    }

    /// Reads at least one byte, waiting at most until `deadline`; how many.
    /// 0: input has ended.
    ///
    /// `position` is how many bytes since boot the reader has taken, those of its
    /// predecessors included: what is behind is given, also if it was given before to
    /// somebody who has died since. It becomes the position of the first byte.
    ///
    /// # Errors
    /// [`ServiceError::TimedOut`]; [`ServiceError::Interrupted`] at shutdown.
    pub fn read(
        &self,
        position: &mut u64,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> Result<usize, ServiceError> {
        // SAFETY: the console was granted; position and buffer are writable for the
        // call.
        let answer = unsafe {
            (services().console_read)(
                position,
                buffer.as_mut_ptr(),
                buffer.len(),
                deadline.nanoseconds(),
            )
        };
        Ok(usize::try_from(check(answer)?)
            .unwrap_or(usize::MAX)
            .min(buffer.len()))
    }
}

/// A service that writes bytes and says how many.
type Write = unsafe extern "sysv64" fn(text: *const u8, length: usize) -> Answer;

fn write_all(write: Write, text: &[u8]) -> Result<(), ServiceError> {
    let mut rest = text;
    while !rest.is_empty() {
        // SAFETY: the bytes live for the call.
        let written = check(unsafe { write(rest.as_ptr(), rest.len()) })?;
        let written = usize::try_from(written)
            .unwrap_or(usize::MAX)
            .min(rest.len());
        rest = &rest[written..];
    }
    Ok(())
}
