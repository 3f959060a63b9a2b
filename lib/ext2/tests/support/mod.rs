//! Shared by the tests: images from mke2fs, a store in memory, e2fsck, debugfs.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use ext2::{Attributes, BlockStore, Clock, Ext2, MountOptions};

pub const NOW_S: i64 = 1_700_000_000;

pub const PLAIN: Attributes = Attributes {
    permissions: 0o644,
    uid: 0,
    gid: 0,
};

/// The error of a [`MemoryStore`], injected or for a transfer out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreError;

/// What a test wants to know of a store, or do to it, while it is mounted.
#[derive(Default)]
pub struct Control {
    /// Every how many transfers one fails; 0 for never.
    pub fail_every: Cell<u32>,
    pub fail_reads: Cell<bool>,
    pub fail_writes: Cell<bool>,
    pub transfers: Cell<u32>,
    /// After so many more transfers all of them fail, as if the caller were gone.
    pub end_after: Cell<Option<u32>>,
    pub reads: Cell<u64>,
    pub writes: Cell<u64>,
}

impl Control {
    /// From now on every so many reads one fails; 0: none.
    pub fn fail_reads(&self, every: u32) {
        self.fail(true, false, every);
    }

    /// From now on every so many writes one fails; 0: none.
    pub fn fail_writes(&self, every: u32) {
        self.fail(false, true, every);
    }

    /// From now on every so many of these transfers one fails; 0: none.
    pub fn fail(&self, reads: bool, writes: bool, every: u32) {
        self.fail_reads.set(reads);
        self.fail_writes.set(writes);
        self.fail_every.set(every);
    }

    /// From now on all transfers work.
    pub fn recover(&self) {
        self.fail_every.set(0);
    }
}

/// An image in memory.
#[derive(Clone)]
pub struct MemoryStore {
    pub bytes: Rc<RefCell<Vec<u8>>>,
    pub control: Rc<Control>,
    pub sector_bytes: u32,
}

impl MemoryStore {
    pub fn new(bytes: Vec<u8>) -> Self {
        let bytes = Rc::new(RefCell::new(bytes));
        Self {
            bytes,
            control: Rc::new(Control::default()),
            sector_bytes: 512,
        }
    }

    fn fails(&self, selected: bool) -> bool {
        match self.control.end_after.get() {
            Some(0) => return true,
            Some(left) => self.control.end_after.set(Some(left - 1)),
            None => {}
        }
        let every = self.control.fail_every.get();
        if every == 0 || !selected {
            return false;
        }
        self.control.transfers.set(self.control.transfers.get() + 1);
        self.control.transfers.get().is_multiple_of(every)
    }

    fn range(&self, sector: u64, length: usize) -> Result<std::ops::Range<usize>, StoreError> {
        assert_eq!(length % self.sector_bytes as usize, 0, "whole sectors");
        let start = sector as usize * self.sector_bytes as usize;
        let end = start + length;
        if end <= self.bytes.borrow().len() {
            Ok(start..end)
        } else {
            Err(StoreError)
        }
    }
}

impl BlockStore for MemoryStore {
    type Error = StoreError;

    fn sector_bytes(&self) -> u32 {
        self.sector_bytes
    }

    fn sector_count(&self) -> u64 {
        (self.bytes.borrow().len() / self.sector_bytes as usize) as u64
    }

    fn read(&mut self, first_sector: u64, into: &mut [u8]) -> Result<(), StoreError> {
        self.control.reads.set(self.control.reads.get() + 1);
        if self.fails(self.control.fail_reads.get()) {
            return Err(StoreError);
        }
        let range = self.range(first_sector, into.len())?;
        into.copy_from_slice(&self.bytes.borrow()[range]);
        Ok(())
    }

    fn write(&mut self, first_sector: u64, from: &[u8]) -> Result<(), StoreError> {
        self.control.writes.set(self.control.writes.get() + 1);
        if self.fails(self.control.fail_writes.get()) {
            return Err(StoreError);
        }
        let range = self.range(first_sector, from.len())?;
        self.bytes.borrow_mut()[range].copy_from_slice(from);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.fails(self.control.fail_writes.get()) {
            Err(StoreError)
        } else {
            Ok(())
        }
    }
}

/// A file in the temporary directory that goes when the test ends.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(suffix: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ext2-test-{}-{number}{suffix}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The image that `mke2fs` makes with these arguments, of so many KiB.
pub fn mke2fs(arguments: &[&str], kib: u32) -> Vec<u8> {
    let file = Scratch::new(".img");
    let output = Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext2"])
        .args(arguments)
        .arg(&file.0)
        .arg(format!("{kib}k"))
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .expect("e2fsprogs is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(&file.0).expect("the image that was just made")
}

/// An empty image with blocks of so many bytes.
pub fn empty_image(block_bytes: u32, kib: u32) -> Vec<u8> {
    mke2fs(&["-b", &block_bytes.to_string()], kib)
}

/// Fails the test unless `e2fsck -fn` finds nothing.
#[track_caller]
pub fn check(store: &MemoryStore) {
    let (status, text) = e2fsck(store, "-fn");
    assert_eq!(status, 0, "e2fsck -fn: {text}");
}

/// Runs `e2fsck` on a copy; its exit status and what it said.
pub fn e2fsck(store: &MemoryStore, options: &str) -> (i32, String) {
    let file = Scratch::new(".img");
    std::fs::write(&file.0, &*store.bytes.borrow()).expect("room for the image");
    let output = Command::new("e2fsck")
        .arg(options)
        .arg(&file.0)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .expect("e2fsprogs is installed");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    if options.contains('y') || options.contains('p') {
        *store.bytes.borrow_mut() = std::fs::read(&file.0).expect("the repaired image");
    }
    (output.status.code().unwrap_or(-1), text)
}

/// What `debugfs -R command` prints.
pub fn debugfs(store: &MemoryStore, command: &str) -> Vec<u8> {
    run_debugfs(store, &["-R", command])
}

/// Changes the image by a `debugfs` command.
pub fn debugfs_write(store: &MemoryStore, command: &str) {
    run_debugfs(store, &["-w", "-R", command]);
}

fn run_debugfs(store: &MemoryStore, arguments: &[&str]) -> Vec<u8> {
    let file = Scratch::new(".img");
    std::fs::write(&file.0, &*store.bytes.borrow()).expect("room for the image");
    let output = Command::new("debugfs")
        .args(arguments)
        .arg(&file.0)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .expect("e2fsprogs is installed");
    *store.bytes.borrow_mut() = std::fs::read(&file.0).expect("the image");
    output.stdout
}

pub fn clock() -> impl Clock {
    || NOW_S
}

pub type Mounted = Ext2<MemoryStore, fn() -> i64>;

pub fn mount(store: &MemoryStore) -> Mounted {
    mount_with(store, MountOptions::default())
}

pub fn mount_with(store: &MemoryStore, options: MountOptions) -> Mounted {
    let clock: fn() -> i64 = || NOW_S;
    match Ext2::mount(store.clone(), clock, options) {
        Ok(mounted) => mounted,
        Err(error) => panic!("mount: {error:?}"),
    }
}

/// The names in a directory with their inodes, in the directory's order.
pub fn list(fs: &mut Mounted, directory: u32) -> Vec<(Vec<u8>, u32)> {
    let mut names = Vec::new();
    fs.read_dir(directory, 0, |entry| {
        names.push((entry.name.to_vec(), entry.inode));
        std::ops::ControlFlow::Continue(())
    })
    .expect("a listing");
    names
}

/// All of a file.
pub fn contents(fs: &mut Mounted, inode: u32) -> Vec<u8> {
    let size = fs.stat(inode).expect("a file").size;
    let mut bytes = vec![0xAA; size as usize];
    assert_eq!(fs.read(inode, 0, &mut bytes), Ok(bytes.len()));
    bytes
}

/// Bytes that differ from block to block.
pub fn pattern(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(length + 4);
    while bytes.len() < length {
        bytes.extend_from_slice(&next());
    }
    bytes.truncate(length);
    bytes
}

/// A small generator for tests that choose at random but repeatably.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// Whether the longer variants of the tests were asked for.
pub fn is_slow() -> bool {
    std::env::var_os("REDLEAF_SLOW").is_some_and(|value| value == "1")
}
