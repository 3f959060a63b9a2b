//! The file-system domain: ext2 on a block device.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;

use exchange::Proxy;
use ext2::{Ext2, MountOptions};
use ext2fs::disk::Disk;
use ext2fs::files::Files;
use interfaces::block::BlockDevice;
use interfaces::files::FileSystem;
use runtime::thread::Priority;
use runtime::time::{Duration, wall_clock};
use runtime::{Options, StartError, domain, log, thread};

/// Mounts `device`. Options: `cache` (bytes kept in memory), `read_only`,
/// `write_back_ms` (time between two write-backs; 0: only on request).
#[domain]
fn ext2fs(
    device: Proxy<dyn BlockDevice>,
    options: Options,
) -> Result<Arc<dyn FileSystem>, StartError> {
    let cache_bytes = options.size("cache", 16 << 20)?;
    let write_back_ms = options.number("write_back_ms", 5_000)?;
    let disk = Disk::new(device)?;
    let mount = MountOptions {
        read_only: options.flag("read_only", false)? || disk.is_read_only(),
        cache_bytes: usize::try_from(cache_bytes).unwrap_or(usize::MAX),
    };
    let mounted = Ext2::mount(disk, now_s, mount).map_err(StartError::new)?;
    let status = mounted.statfs();
    if status.is_damaged || status.is_unchecked {
        log::warn!("ext2fs: the file system was not left cleanly; e2fsck should check it");
    }
    let files = Arc::new(Files::new(mounted));
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

/// Seconds since 1970, as ext2 stores them.
fn now_s() -> u32 {
    u32::try_from(wall_clock().as_secs()).unwrap_or(u32::MAX)
}
