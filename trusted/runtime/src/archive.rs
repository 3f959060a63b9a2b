//! The boot archive, for whoever was granted it.

use abi::status::{ServiceError, check};
use exchange::thread::services;

/// The right to read the boot archive.
#[derive(Debug)]
pub struct BootArchive {
    _granted: (),
}

impl BootArchive {
    pub(crate) const fn granted() -> Self {
        Self { _granted: () }
    }

    /// The archive's bytes, a tar file.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when the machine booted without one.
    pub fn bytes(&self) -> Result<&'static [u8], ServiceError> {
        let mut start = core::ptr::null();
        let mut length = 0;
        // SAFETY: the archive was granted; both places are writable.
        check(unsafe { (services().boot_archive)(&raw mut start, &raw mut length) })?;
        if start.is_null() {
            return Err(ServiceError::NotFound);
        }
        // SAFETY: the kernel answers the archive, which stays mapped read-only
        // for ever.
        Ok(unsafe { core::slice::from_raw_parts(start, length) })
    }
}
