//! A file system that starts and dies at its first call, to be rolled back.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::{Proxy, RpcResult};
use interfaces::block::BlockDevice;
use interfaces::files::{
    Appended, Attributes, DirectoryEntry, FileError, FileSystem, FileSystemStatus, Inode,
};
use interfaces::keep::Keeper;
use runtime::{Options, StartError, domain};

/// What it was granted, and never uses.
struct Broken {
    _device: Proxy<dyn BlockDevice>,
    _keeper: Option<Proxy<dyn Keeper>>,
}

/// Takes what a file system gets.
#[domain]
fn broken_files(
    device: Proxy<dyn BlockDevice>,
    keeper: Option<Proxy<dyn Keeper>>,
    options: Option<Options>,
) -> Result<Arc<dyn FileSystem>, StartError> {
    let _ = options;
    Ok(Arc::new(Broken {
        _device: device,
        _keeper: keeper,
    }))
}

macro_rules! refuse {
    ($($method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl FileSystem for Broken {
            fn root(&self) -> RpcResult<Result<Inode, FileError>> {
                panic!("asked for the root, which this image does not know")
            }

            $(fn $method(&self, $($argument: $type),*) -> RpcResult<Result<$answer, FileError>> {
                let _ = ($($argument,)*);
                panic!(concat!("asked to ", stringify!($method)))
            })*
        }
    };
}

refuse! {
    lookup(directory: Inode, name: &[u8]) -> Inode;
    attributes(inode: Inode) -> Attributes;
    read(inode: Inode, offset: u64, into: &mut [u8]) -> u64;
    write(inode: Inode, offset: u64, from: &[u8]) -> u64;
    append(inode: Inode, from: &[u8]) -> Appended;
    truncate(inode: Inode, size: u64) -> ();
    create(directory: Inode, name: &[u8], mode: u32) -> Inode;
    make_directory(directory: Inode, name: &[u8], mode: u32) -> Inode;
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
