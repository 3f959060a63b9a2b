//! The ext2 revision 1 file system, read-write, over any sector store.
//!
//! [`Ext2`] works on inode numbers and keeps no open files: whoever calls it
//! holds the numbers, so that it can be mounted again beneath its callers.
//! Blocks of 1, 2 and 4 KiB, the features `filetype`, `sparse_super` and
//! `large_file`, and what `mke2fs -t ext2` adds that a reader may ignore
//! (`ext_attr`, `dir_index`, `resize_inode`). Any other feature that an
//! implementation must know is refused by name. Not here: a journal, access
//! checks, path resolution, access times, extended attributes (kept and freed,
//! but not readable).
//!
//! Invariant: no image makes this library panic, loop or take unbounded memory.
//! What the disk says is checked where it is read (`superblock`, `group`,
//! `record`, `map`); contradictions answer [`Error::Corrupt`].
//!
//! Layers, each using those below it:
//!
//! | module | concept |
//! |---|---|
//! | `mount` | the whole: mount, sync, unmount, clean and damaged states |
//! | `kept` | finished operations kept outside, and going on from there |
//! | `namespace`, `rename`, `orphan` | names, links, deletion |
//! | `directory`, `index`, `record` | directories, their in-memory index, their records |
//! | `file`, `truncate` | contents and sizes of files |
//! | `map` | from a file's blocks to the store's |
//! | `inode`, `allocate`, `bitmap` | inodes, free blocks and inodes |
//! | `group`, `superblock`, `features` | geometry, checked once at mount |
//! | `cache`, `store` | blocks in memory, sectors on the store |

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod allocate;
mod bitmap;
mod bytes;
mod cache;
mod directory;
mod error;
mod features;
mod file;
mod group;
mod index;
mod inode;
mod kept;
mod kind;
mod map;
mod mount;
mod namespace;
mod orphan;
mod outcome;
mod record;
mod rename;
mod stamp;
mod store;
mod superblock;
mod truncate;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

pub use error::{Corruption, Error, MountError};
pub use features::UnsupportedFeatures;
pub use kept::{Change, Piece, PieceKind, ResumeError, SESSION_KEY};
pub use kind::FileKind;
pub use store::{BlockStore, Clock};

/// Number of an inode, from 1; 2 is the root directory.
pub type InodeNumber = u32;

/// A mounted file system.
///
/// Dropping it writes nothing: changes since the last [`sync`](Ext2::sync) are
/// lost, as in a crash.
pub struct Ext2<S: BlockStore, C: Clock> {
    cache: cache::Cache<S>,
    clock: C,
    superblock: superblock::Superblock,
    groups: group::Groups,
    read_only: bool,
    /// A contradiction was found, or a change failed half-way.
    damaged: bool,
    /// The image was not clean when it was mounted.
    unchecked: bool,
    /// How many times each inode is retained.
    retained: BTreeMap<InodeNumber, u32>,
    /// The orphan list of the disk, oldest first; all of them are retained.
    orphans: Vec<InodeNumber>,
    indexes: index::Indexes,
    sequences: file::Sequences,
    next_generation: u32,
    /// What is kept of the mount itself is out of date.
    session_changed: bool,
}

/// How to mount.
#[derive(Debug, Clone, Copy)]
pub struct MountOptions {
    /// Change nothing on the store, not even the superblock.
    pub read_only: bool,
    /// How much memory the block cache may take, in bytes.
    pub cache_bytes: usize,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            cache_bytes: 8 * 1024 * 1024,
        }
    }
}

/// What a new inode starts with.
#[derive(Debug, Clone, Copy)]
pub struct Attributes {
    /// Permission bits, of `07777`.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What is known about an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its number.
    pub inode: InodeNumber,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, of `07777`.
    pub permissions: u16,
    /// Number of names (for a directory, with `.` and its children's `..`).
    pub links: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
    /// Allocated space in units of 512 bytes.
    pub sectors_512: u32,
    /// Last access, seconds since 1970; only `set_times` changes it.
    pub atime_s: i64,
    /// Last change of the contents, seconds since 1970.
    pub mtime_s: i64,
    /// Last change of the inode, seconds since 1970.
    pub ctime_s: i64,
    /// Differs between successive users of the same inode number.
    pub generation: u32,
}

/// One entry of a directory, as [`Ext2::read_dir`] shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryEntry<'a> {
    /// What the name stands for.
    pub inode: InodeNumber,
    /// What kind of thing that is, if the file system records it here.
    pub kind: Option<FileKind>,
    /// The name, without a terminator; any bytes.
    pub name: &'a [u8],
    /// Continues a listing at this entry.
    pub cookie: u64,
    /// Continues a listing after this entry.
    pub next_cookie: u64,
}

/// Sizes and free counts of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes in a block.
    pub block_bytes: u32,
    /// Blocks without the file system's own tables.
    pub blocks: u64,
    /// Blocks that are free.
    pub free_blocks: u64,
    /// Free blocks without those that `mke2fs` reserved for the superuser.
    /// Allocation does not keep to the reserve.
    pub available_blocks: u64,
    /// All inodes.
    pub inodes: u64,
    /// Inodes that are free.
    pub free_inodes: u64,
    /// The longest name.
    pub max_name_bytes: u32,
    /// The largest size of a regular file.
    pub max_file_bytes: u64,
    /// Mounted read-only.
    pub is_read_only: bool,
    /// Damage was found, now or earlier; `e2fsck` should run.
    pub is_damaged: bool,
    /// It was not left cleanly before this mount; `e2fsck` should run.
    pub is_unchecked: bool,
}

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// The root directory.
    pub fn root(&self) -> InodeNumber {
        superblock::ROOT_INODE
    }
}
