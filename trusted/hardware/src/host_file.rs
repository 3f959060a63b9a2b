//! `HostFile`: a file of the host, where the machine is a Linux process.

use abi::status::{ServiceError, check};
use exchange::thread::services;

/// The capability to use one file of the host.
#[derive(Debug)]
pub struct HostFile {
    number: u64,
}

impl HostFile {
    /// The file a grant named.
    pub(crate) const fn new(number: u64) -> Self {
        Self { number }
    }

    /// Bytes in the file.
    ///
    /// # Errors
    /// `Unsupported` on other machines, `Io` when the host refuses.
    pub fn size(&self) -> Result<u64, ServiceError> {
        // SAFETY: holding `self` is the right to use the file; so below.
        let services = unsafe { services() };
        check((services.host_file_size)(self.number))
    }

    /// Reads at `offset` until `into` is full.
    ///
    /// # Errors
    /// `Io` when the host refuses or the file ends before.
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), ServiceError> {
        // SAFETY: see `size`.
        let services = unsafe { services() };
        let mut done = 0;
        while done < into.len() {
            let rest = &mut into[done..];
            let at = offset + done as u64;
            // SAFETY: `rest` is ours to write for the call.
            let count = check(unsafe {
                (services.host_file_read)(self.number, at, rest.as_mut_ptr(), rest.len())
            })?;
            done += progress(count, rest.len())?;
        }
        Ok(())
    }

    /// Writes all of `from` at `offset`.
    ///
    /// # Errors
    /// `Io` when the host refuses.
    pub fn write(&self, offset: u64, from: &[u8]) -> Result<(), ServiceError> {
        // SAFETY: see `size`.
        let services = unsafe { services() };
        let mut done = 0;
        while done < from.len() {
            let rest = &from[done..];
            let at = offset + done as u64;
            // SAFETY: `rest` is ours to read for the call.
            let count = check(unsafe {
                (services.host_file_write)(self.number, at, rest.as_ptr(), rest.len())
            })?;
            done += progress(count, rest.len())?;
        }
        Ok(())
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// `Io` when the host refuses.
    pub fn sync(&self) -> Result<(), ServiceError> {
        // SAFETY: see `size`.
        let services = unsafe { services() };
        check((services.host_file_sync)(self.number)).map(drop)
    }
}

/// A transfer of nothing would be asked for again for ever.
fn progress(count: u64, asked: usize) -> Result<usize, ServiceError> {
    match usize::try_from(count) {
        Ok(count) if count != 0 && count <= asked => Ok(count),
        _ => Err(ServiceError::Io),
    }
}
