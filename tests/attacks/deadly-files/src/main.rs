//! A file system that some calls kill, each time: `ext2fs` but for some names.
//!
//! - To look `deadly` up kills it, so does each repetition.
//! - To make the file `stillborn` kills it before the file is there.
//! - To look `sticky` up makes it bind who asks to a processor.
//! - To make the directory `posthumous` kills it after the directory is there.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::{Proxy, RpcResult};
use ext2::MountOptions;
use ext2fs::disk::Disk;
use ext2fs::files::Files;
use interfaces::block::BlockDevice;
use interfaces::files::{
    Appended, Attributes, DirectoryEntry, FileError, FileSystem, FileSystemStatus, Inode,
};
use interfaces::keep::Keeper;
use runtime::{Options, StartError, domain, log, thread};

type Clock = fn() -> i64;

struct Deadly(Files<Disk<Proxy<dyn BlockDevice>>, Clock>);

/// Takes what a file system gets.
#[domain]
fn deadly_files(
    device: Proxy<dyn BlockDevice>,
    keeper: Option<Proxy<dyn Keeper>>,
    options: Options,
) -> Result<Arc<dyn FileSystem>, StartError> {
    let mount = MountOptions {
        read_only: false,
        cache_bytes: usize::try_from(options.size("cache", 1 << 20)?).unwrap_or(1 << 20),
    };
    let clock: Clock = || 0;
    let files = ext2fs::start::mount(Disk::new(device)?, clock, mount, keeper)?;
    Ok(Arc::new(Deadly(files)))
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl FileSystem for Deadly {
            fn lookup(&self, directory: Inode, name: &[u8]) -> RpcResult<Result<Inode, FileError>> {
                assert!(name != b"deadly", "asked for the deadly name");
                if name == b"sticky" {
                    let bound = thread::bind_to_cpu(0);
                    log::info!("its caller was bound: {}", bound.is_ok());
                }
                self.0.lookup(directory, name)
            }

            fn create(
                &self,
                directory: Inode,
                name: &[u8],
                mode: u32,
            ) -> RpcResult<Result<Inode, FileError>> {
                assert!(name != b"stillborn", "asked to make the deadly file");
                self.0.create(directory, name, mode)
            }

            fn make_directory(
                &self,
                directory: Inode,
                name: &[u8],
                mode: u32,
            ) -> RpcResult<Result<Inode, FileError>> {
                let made = self.0.make_directory(directory, name, mode);
                assert!(name != b"posthumous", "made the deadly directory");
                made
            }

            $(fn $method(&self, $($argument: $type),*) -> RpcResult<Result<$answer, FileError>> {
                self.0.$method($($argument),*)
            })*
        }
    };
}

forward! {
    root() -> Inode;
    attributes(inode: Inode) -> Attributes;
    read(inode: Inode, offset: u64, into: &mut [u8]) -> u64;
    write(inode: Inode, offset: u64, from: &[u8]) -> u64;
    append(inode: Inode, from: &[u8]) -> Appended;
    truncate(inode: Inode, size: u64) -> ();
    unlink(directory: Inode, name: &[u8]) -> ();
    remove_directory(directory: Inode, name: &[u8]) -> ();
    link(inode: Inode, directory: Inode, name: &[u8]) -> ();
    symlink(directory: Inode, name: &[u8], target: &[u8]) -> Inode;
    read_link(inode: Inode, into: &mut [u8]) -> u64;
    rename(from: Inode, from_name: &[u8], to: Inode, to_name: &[u8]) -> ();
    set_mode(inode: Inode, mode: u32) -> ();
    set_times(inode: Inode, accessed_s: i64, modified_s: i64) -> ();
    read_directory(inode: Inode, cookie: u64, entries: &mut [DirectoryEntry]) -> u64;
    retain(inode: Inode) -> ();
    release(inode: Inode) -> ();
    retentions(inode: Inode) -> u64;
    sync_inode(inode: Inode) -> ();
    sync() -> ();
    finish() -> ();
    status() -> FileSystemStatus;
}
