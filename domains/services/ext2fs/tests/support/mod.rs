//! A block device in memory that fails, or dies, on demand; mke2fs; e2fsck.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use exchange::host::{Domain, adopt, die_here};
use exchange::{Proxy, RpcResult};
use ext2::{Ext2, MountOptions};
use ext2fs::disk::Disk;
use ext2fs::files::Files;
use interfaces::block::{BlockBatch, BlockDevice, BlockError, Geometry};

pub const NOW_S: i64 = 1_700_000_000;
const SECTOR_BYTES: usize = 512;
const MAX_SECTORS: usize = 16;

/// What the next transfers do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Fault {
    None,
    /// Every transfer fails.
    Error,
    /// Every write and flush fails.
    WriteError,
    /// The driver's domain dies during the transfer.
    Death,
}

/// The medium and its faults, which survive the driver.
#[derive(Debug)]
pub struct Medium {
    pub bytes: Mutex<Vec<u8>>,
    fault: AtomicU32,
    pub longest: AtomicUsize,
}

impl Medium {
    pub fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self {
            bytes: Mutex::new(bytes),
            fault: AtomicU32::new(Fault::None as u32),
            longest: AtomicUsize::new(0),
        })
    }

    pub fn inject(&self, fault: Fault) {
        self.fault.store(fault as u32, Ordering::SeqCst);
    }

    fn act(&self, is_write: bool, bytes: usize) -> Result<(), BlockError> {
        self.longest.fetch_max(bytes, Ordering::SeqCst);
        let fault = self.fault.load(Ordering::SeqCst);
        if fault == Fault::Death as u32 {
            die_here();
        }
        let fails = fault == Fault::Error as u32 || is_write && fault == Fault::WriteError as u32;
        if fails {
            Err(BlockError::Media)
        } else {
            Ok(())
        }
    }

    /// A driver for the medium, in a domain of its own.
    pub fn drive(self: &Arc<Self>) -> Proxy<dyn BlockDevice> {
        let driver: Arc<dyn BlockDevice> = Arc::new(Driver(Arc::clone(self)));
        adopt(Domain::new().run(|| Proxy::export(driver)))
    }
}

/// A block device over a medium, with faults.
struct Driver(Arc<Medium>);

impl BlockDevice for Driver {
    fn geometry(&self) -> RpcResult<Geometry> {
        let sectors = self.0.bytes.lock().expect("one thread").len() / SECTOR_BYTES;
        Ok(Geometry {
            sector_bytes: SECTOR_BYTES as u32,
            max_sectors: MAX_SECTORS as u32,
            sectors: sectors as u64,
            queue_depth: 1,
            read_only: 0,
        })
    }

    fn read(&self, sector: u64, into: &mut [u8]) -> RpcResult<Result<(), BlockError>> {
        Ok(self.0.act(false, into.len()).map(|()| {
            let bytes = self.0.bytes.lock().expect("one thread");
            into.copy_from_slice(&bytes[sector as usize * SECTOR_BYTES..][..into.len()]);
        }))
    }

    fn write(&self, sector: u64, from: &[u8]) -> RpcResult<Result<(), BlockError>> {
        Ok(self.0.act(true, from.len()).map(|()| {
            let mut bytes = self.0.bytes.lock().expect("one thread");
            bytes[sector as usize * SECTOR_BYTES..][..from.len()].copy_from_slice(from);
        }))
    }

    fn flush(&self) -> RpcResult<Result<(), BlockError>> {
        Ok(self.0.act(true, 0))
    }

    fn submit(&self, batch: BlockBatch) -> RpcResult<BlockBatch> {
        Ok(batch)
    }

    fn poll(&self, room: BlockBatch) -> RpcResult<BlockBatch> {
        Ok(room)
    }
}

pub type Mounted = Files<Disk<Proxy<dyn BlockDevice>>, fn() -> i64>;

pub fn mount(device: Proxy<dyn BlockDevice>, read_only: bool) -> Mounted {
    let disk = Disk::new(device).expect("alive");
    // The smallest cache: most operations reach the device.
    let options = MountOptions {
        read_only,
        cache_bytes: 1,
    };
    Files::new(
        Ext2::mount(disk, (|| NOW_S) as fn() -> i64, options).expect("mounts"),
        None,
    )
}

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ext2fs-{}-{number}.img", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The temporary directory is emptied by others, if not by us.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A fresh image of `kilobytes`.
pub fn image(arguments: &[&str], kilobytes: u32) -> Vec<u8> {
    let file = Scratch::new();
    let output = Command::new("mke2fs")
        .args(["-q", "-t", "ext2", "-F"])
        .args(arguments)
        .arg(&file.0)
        .arg(format!("{kilobytes}k"))
        .output()
        .expect("mke2fs runs (package e2fsprogs)");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(&file.0).expect("an image")
}

/// Asserts that e2fsck finds nothing.
pub fn check(medium: &Medium) {
    let file = Scratch::new();
    let bytes = medium.bytes.lock().expect("one thread").clone();
    std::fs::write(&file.0, bytes).expect("temporary file");
    let output = Command::new("e2fsck")
        .arg("-fn")
        .arg(&file.0)
        .output()
        .expect("e2fsck runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
