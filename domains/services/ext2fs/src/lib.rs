//! The file-system interface over ext2, apart from the domain around it.
//!
//! [`files::Files`] adapts the library `ext2`, which knows nothing of domains,
//! to the interface `FileSystem`; [`disk::Disk`] adapts a block device to what
//! the library stands on. A device that fails, or whose driver dies, is an
//! input/output error of the call that needed it, and nothing else: what was
//! changed stays in the cache until the device works again. [`keeping`] gives
//! what each operation changed to a keeper, from which [`start`] goes on after
//! this domain's death.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod disk;
pub mod files;
pub mod keeping;
pub mod start;
