//! The file-disk domain: a block device in a file of the host.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use immediate::{Immediate, Storage};
use interfaces::block::{BlockDevice, BlockError};
use runtime::{HostFile, Options, ServiceError, StartError, domain};

/// A file whose size does not change.
struct File {
    file: HostFile,
    bytes: u64,
}

/// Option: `read_only`, false unless given. Machine `hosted` only.
#[domain]
fn filedisk(file: HostFile, options: Options) -> Result<Arc<dyn BlockDevice>, StartError> {
    let is_read_only = options.flag("read_only", false)?;
    let bytes = file
        .size()
        .map_err(|error| StartError::new(format_args!("the host's file: {error:?}")))?;
    Ok(Arc::new(Immediate::new(File { file, bytes }, is_read_only)))
}

impl Storage for File {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        let mut done = 0;
        while done < into.len() {
            let at = offset + done as u64;
            let count = self.file.read_at(at, &mut into[done..]).map_err(refusal)?;
            done += progress(count)?;
        }
        Ok(())
    }

    fn write(&self, offset: u64, from: &[u8]) -> Result<(), BlockError> {
        let mut done = 0;
        while done < from.len() {
            let at = offset + done as u64;
            let count = self.file.write_at(at, &from[done..]).map_err(refusal)?;
            done += progress(count)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), BlockError> {
        self.file.sync().map_err(refusal)
    }
}

/// A transfer of nothing, at the end of a file that was cut off, would be
/// asked for again for ever.
const fn progress(count: usize) -> Result<usize, BlockError> {
    if count == 0 {
        Err(BlockError::Media)
    } else {
        Ok(count)
    }
}

const fn refusal(error: ServiceError) -> BlockError {
    match error {
        ServiceError::NoMemory => BlockError::NoMemory,
        ServiceError::Io => BlockError::Media,
        _ => BlockError::Device,
    }
}
