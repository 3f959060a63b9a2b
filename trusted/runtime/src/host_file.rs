//! A file of the host, on machine `hosted`, for whoever was granted it.

use abi::status::{ServiceError, check};
use exchange::thread::services;

/// The right to read and write one file of the host.
#[derive(Debug)]
pub struct HostFile {
    number: u64,
}

impl HostFile {
    pub(crate) const fn granted(number: u64) -> Self {
        Self { number }
    }

    /// Bytes in the file.
    ///
    /// # Errors
    /// [`ServiceError::Io`] when the host reports one.
    pub fn size(&self) -> Result<u64, ServiceError> {
        // SAFETY: this file was granted.
        check((unsafe { services() }.host_file_size)(self.number))
    }

    /// Reads from `offset` on; how many bytes.
    ///
    /// # Errors
    /// [`ServiceError::Io`] when the host reports one.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ServiceError> {
        // SAFETY: this file was granted; the buffer is writable for the call.
        let answer = unsafe {
            (services().host_file_read)(self.number, offset, buffer.as_mut_ptr(), buffer.len())
        };
        Ok(usize::try_from(check(answer)?)
            .unwrap_or(usize::MAX)
            .min(buffer.len()))
    }

    /// Writes from `offset` on; how many bytes.
    ///
    /// # Errors
    /// [`ServiceError::Io`] when the host reports one.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, ServiceError> {
        // SAFETY: this file was granted; the bytes live for the call.
        let answer = unsafe {
            (services().host_file_write)(self.number, offset, bytes.as_ptr(), bytes.len())
        };
        Ok(usize::try_from(check(answer)?)
            .unwrap_or(usize::MAX)
            .min(bytes.len()))
    }

    /// Makes the data durable.
    ///
    /// # Errors
    /// [`ServiceError::Io`] when the host reports one.
    pub fn sync(&self) -> Result<(), ServiceError> {
        // SAFETY: this file was granted.
        check((unsafe { services() }.host_file_sync)(self.number)).map(drop)
    }
}
