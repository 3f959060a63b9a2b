//! Keeping finished operations outside, and resuming from what was kept.
//!
//! A mounted file system has changes that are in no store yet. Whoever may lose
//! it at any moment keeps them elsewhere: after each operation
//! [`Ext2::finish_operation`] fills in a [`Change`], which is to be kept as a
//! whole or not at all. [`Ext2::resume`] goes on from what is kept, with the
//! inodes still retained, as if the last kept operation had been the last one.
//!
//! Of an operation that was not kept nothing remains, except that blocks it
//! wrote may already have their new contents: whoever asked for it repeats it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::bytes::{put_u32, u32_at};
use crate::cache::Content;
use crate::error::MountError;
use crate::mount::{mount_error, read_groups};
use crate::outcome::Outcome;
use crate::superblock::{SUPERBLOCK_BYTES, Superblock, UUID_BYTES};
use crate::{BlockStore, Clock, Ext2, InodeNumber, MountOptions};

/// Key of the piece that tells of the mount itself; blocks have their numbers.
pub const SESSION_KEY: u64 = u64::MAX;

/// What the session's piece looks like: the first thing in it.
const SESSION_FORMAT: u32 = 0x4558_0001;
const UUID: usize = 4;
const FLAGS: usize = UUID + UUID_BYTES;
const RETAINED: usize = FLAGS + 4;
const RETAINED_ENTRY_BYTES: usize = 8;
const FLAG_UNCHECKED: u32 = 1;

/// What a piece of a [`Change`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// A block of a file's contents.
    Data = 0,
    /// A block of the file system's own structures.
    Metadata = 1,
    /// What is known of the mount.
    Session = 2,
}

impl PieceKind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Data),
            1 => Some(Self::Metadata),
            2 => Some(Self::Session),
            _ => None,
        }
    }
}

/// One thing to be kept under a key, instead of what was kept under it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// A block's number, or [`SESSION_KEY`].
    pub key: u64,
    /// What it is.
    pub kind: PieceKind,
    /// Its length in bytes.
    pub length: usize,
}

/// What operations have changed: first the dropped keys are forgotten, then the
/// pieces are kept.
#[derive(Debug, Default)]
pub struct Change {
    /// Keys of what need not be kept any longer.
    pub dropped: Vec<u64>,
    /// What to keep.
    pub pieces: Vec<Piece>,
    /// The pieces' bytes, one after the other.
    pub bytes: Vec<u8>,
}

impl Change {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.pieces.is_empty()
    }

    fn clear(&mut self) {
        self.dropped.clear();
        self.pieces.clear();
        self.bytes.clear();
    }

    fn add(&mut self, key: u64, kind: PieceKind, bytes: &[u8]) {
        let length = bytes.len();
        self.pieces.push(Piece { key, kind, length });
        self.bytes.extend_from_slice(bytes);
    }
}

/// Why a mount cannot be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeError<E> {
    /// The session was kept by another version of this library.
    Format,
    /// It was kept for another file system.
    OtherFileSystem,
    /// A piece is not what its key says.
    Piece(u64),
    /// The file system itself.
    Mount(MountError<E>),
}

impl<E: core::fmt::Display> core::fmt::Display for ResumeError<E> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Format => formatter.write_str("kept by another version of the file system"),
            Self::OtherFileSystem => formatter.write_str("kept for another file system"),
            Self::Piece(key) => write!(formatter, "the piece {key:#x} is damaged"),
            Self::Mount(error) => write!(formatter, "{error}"),
        }
    }
}

/// What is kept of the mount itself.
struct Session {
    uuid: [u8; UUID_BYTES],
    unchecked: bool,
    retained: BTreeMap<InodeNumber, u32>,
}

impl Session {
    fn emit(&self) -> Vec<u8> {
        let mut bytes = alloc::vec![0; RETAINED];
        put_u32(&mut bytes, 0, SESSION_FORMAT);
        bytes[UUID..FLAGS].copy_from_slice(&self.uuid);
        put_u32(
            &mut bytes,
            FLAGS,
            u32::from(self.unchecked) * FLAG_UNCHECKED,
        );
        for (inode, count) in &self.retained {
            bytes.extend_from_slice(&inode.to_le_bytes());
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        bytes
    }

    fn parse<E>(bytes: &[u8]) -> Result<Self, ResumeError<E>> {
        if bytes.len() < RETAINED || u32_at(bytes, 0) != SESSION_FORMAT {
            return Err(ResumeError::Format);
        }
        let entries = bytes[RETAINED..].chunks_exact(RETAINED_ENTRY_BYTES);
        if !entries.remainder().is_empty() {
            return Err(ResumeError::Piece(SESSION_KEY));
        }
        let mut uuid = [0; UUID_BYTES];
        uuid.copy_from_slice(&bytes[UUID..FLAGS]);
        Ok(Self {
            uuid,
            unchecked: u32_at(bytes, FLAGS) & FLAG_UNCHECKED != 0,
            retained: entries
                .map(|entry| (u32_at(entry, 0), u32_at(entry, 4)))
                .collect(),
        })
    }
}

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// Goes on from what is kept of an earlier mount of `store`: pairs of a
    /// piece and its bytes. From now on changes are kept.
    ///
    /// # Errors
    /// [`ResumeError`]. Then nothing was written.
    pub fn resume<'a>(
        store: S,
        clock: C,
        options: MountOptions,
        pieces: impl Iterator<Item = (Piece, &'a [u8])> + Clone,
    ) -> Result<Self, ResumeError<S::Error>> {
        let mut found = pieces.clone();
        let session = found
            .find(|(piece, _)| piece.key == SESSION_KEY)
            .ok_or(ResumeError::Format)?;
        let session = Session::parse(session.1)?;
        let mut file_system = Self::open(store, clock, options).map_err(ResumeError::Mount)?;
        file_system.cache.keep_changes();
        for (piece, bytes) in pieces.filter(|(piece, _)| piece.key != SESSION_KEY) {
            file_system.restore(piece, bytes)?;
        }
        file_system.reload(session)?;
        Ok(file_system)
    }

    /// From now on [`Ext2::finish_operation`] tells what to keep: the first time
    /// everything that is not on the store. Also after what was kept is lost.
    pub fn keep_changes(&mut self) {
        self.cache.keep_changes();
        self.session_changed = true;
    }

    /// Fills in what the operations since the last call have changed; call it
    /// after each one. It stays empty until [`Ext2::keep_changes`].
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io); then the change comes with a later call.
    pub fn finish_operation(&mut self, change: &mut Change) -> Outcome<(), S> {
        change.clear();
        if !self.session_changed && !self.cache.has_unkept() {
            return Ok(());
        }
        if !self.read_only {
            self.emit_groups()?;
            self.emit_superblock()?;
        }
        if core::mem::take(&mut self.session_changed) {
            let session = Session {
                uuid: self.superblock.uuid(),
                unchecked: self.unchecked,
                retained: self.retained.clone(),
            };
            change.add(SESSION_KEY, PieceKind::Session, &session.emit());
        }
        let dropped = self.cache.take_dropped();
        change.dropped.extend(dropped.into_iter().map(u64::from));
        self.cache.finish_operation(|block, content, bytes| {
            let kind = match content {
                Content::Data => PieceKind::Data,
                Content::Metadata => PieceKind::Metadata,
            };
            change.add(block.into(), kind, bytes);
        });
        Ok(())
    }

    /// How many times an inode is retained.
    #[must_use]
    pub fn retentions(&self, inode: InodeNumber) -> u32 {
        self.retained.get(&inode).copied().unwrap_or(0)
    }

    fn restore(&mut self, piece: Piece, bytes: &[u8]) -> Result<(), ResumeError<S::Error>> {
        let geometry = &self.superblock.geometry;
        let damaged = || ResumeError::Piece(piece.key);
        let block = u32::try_from(piece.key).map_err(|_| damaged())?;
        let content = match piece.kind {
            PieceKind::Data => Content::Data,
            PieceKind::Metadata => Content::Metadata,
            PieceKind::Session => return Err(damaged()),
        };
        if block >= geometry.blocks_count || bytes.len() != geometry.block_bytes as usize {
            return Err(damaged());
        }
        self.cache
            .restore(block, content, bytes)
            .map_err(|error| ResumeError::Mount(mount_error(error)))
    }

    /// Takes what is in memory only from the restored blocks and the session.
    fn reload(&mut self, session: Session) -> Result<(), ResumeError<S::Error>> {
        let geometry = self.superblock.geometry;
        let (block, offset) = self.superblock.place();
        let io = |error| ResumeError::Mount(mount_error(error));
        let bytes = self.cache.get(block).map_err(io)?;
        let mut raw = Box::new([0; SUPERBLOCK_BYTES]);
        raw.copy_from_slice(&bytes[offset..offset + SUPERBLOCK_BYTES]);
        let store_bytes = u64::from(geometry.blocks_count) * u64::from(geometry.block_bytes);
        let writing = !self.read_only;
        self.superblock =
            Superblock::parse(raw, store_bytes, writing).map_err(ResumeError::Mount)?;
        if self.superblock.uuid() != session.uuid || self.superblock.geometry != geometry {
            return Err(ResumeError::OtherFileSystem);
        }
        self.groups = read_groups(&mut self.cache, &self.superblock).map_err(io)?;
        self.damaged = self.superblock.has_errors();
        self.unchecked = session.unchecked;
        self.retained = session.retained;
        self.orphans = self.listed_orphans().map_err(io)?;
        Ok(())
    }
}
