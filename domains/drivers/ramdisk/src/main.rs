//! The RAM-disk domain: a block device that forgets when it ends.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use immediate::Immediate;
use interfaces::block::BlockDevice;
use ramdisk::Sparse;
use runtime::{Options, StartError, domain};

/// Option: `size` in bytes, 64 MiB unless given. Memory is taken as it is
/// written to.
#[domain]
fn ramdisk(options: Options) -> Result<Arc<dyn BlockDevice>, StartError> {
    let bytes = options.size("size", 64 << 20)?;
    let storage = Sparse::new(bytes)
        .ok_or_else(|| StartError::new(format_args!("no memory for a disk of {bytes} bytes")))?;
    Ok(Arc::new(Immediate::new(storage, false)))
}
