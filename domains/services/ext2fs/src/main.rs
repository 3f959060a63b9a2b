//! The file-system domain: ext2 on a block device.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::Proxy;
use ext2::MountOptions;
use ext2fs::disk::Disk;
use ext2fs::files::Files;
use ext2fs::start;
use interfaces::block::BlockDevice;
use interfaces::files::FileSystem;
use interfaces::keep::Keeper;
use runtime::thread::Priority;
use runtime::time::{Duration, wall_clock};
use runtime::{Options, StartError, domain, thread};

type SharedFiles = Arc<Files<Disk<Proxy<dyn BlockDevice>>, fn() -> i64>>;

/// Mounts `device`, or goes on from what `keeper` has of a predecessor. Options:
/// `cache` (bytes kept in memory), `read_only`, `write_back_ms` (time between
/// two write-backs; 0: only on request).
#[domain]
fn ext2fs(
    device: Proxy<dyn BlockDevice>,
    keeper: Option<Proxy<dyn Keeper>>,
    options: Options,
) -> Result<Arc<dyn FileSystem>, StartError> {
    let cache_bytes = options.size("cache", 16 << 20)?;
    let write_back_ms = options.number("write_back_ms", 5_000)?;
    let disk = Disk::new(device)?;
    let mount = MountOptions {
        read_only: options.flag("read_only", false)? || disk.is_read_only(),
        cache_bytes: usize::try_from(cache_bytes).unwrap_or(usize::MAX),
    };
    let watched = match &keeper {
        Some(keeper) => Some(keeper.try_clone()?),
        None => None,
    };
    let files = Arc::new(start::mount(disk, now_s as fn() -> i64, mount, keeper)?);
    if let Some(keeper) = watched {
        let files = Arc::clone(&files);
        thread::spawn("keeper", Priority::Normal, move || watch(&keeper, &files))
            .map_err(|_| StartError::new("no memory for the thread that watches the keeper"))?;
    }
    if !mount.read_only && write_back_ms != 0 {
        let files = Arc::clone(&files);
        let pause = Duration::from_millis(write_back_ms);
        thread::spawn("write-back", Priority::Normal, move || {
            loop {
                thread::sleep(pause);
                // A failure is in the log; the changes stay in the cache, and
                // the next round tries again.
                let _ = files.write_back();
            }
        })
        .map_err(|_| StartError::new("no memory for the write-back thread"))?;
    }
    Ok(files)
}

/// Gives each successor of the keeper what its predecessor had.
fn watch(keeper: &Proxy<dyn Keeper>, files: &SharedFiles) {
    let mut seen = Proxy::incarnation(keeper);
    while Proxy::wait_for_successor(keeper, seen, u64::MAX).is_ok() {
        seen = Proxy::incarnation(keeper);
        files.keep_again();
    }
}

/// Seconds since 1970.
fn now_s() -> i64 {
    i64::try_from(wall_clock().as_secs()).unwrap_or(i64::MAX)
}
