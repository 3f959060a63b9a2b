//! Mounting, syncing, unmounting: the state of the whole file system.
//!
//! The image is marked "not clean" before the first change after a mount or a
//! sync, and "clean" again by the sync that has written everything.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::cache::{Cache, Content};
use crate::error::{Error, MountError};
use crate::file::Sequences;
use crate::group::Groups;
use crate::index::Indexes;
use crate::outcome::Outcome;
use crate::superblock::{SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, Superblock};
use crate::{BlockStore, Clock, Ext2, MountOptions, Statistics};

/// Directory indexes may hold one name per this many bytes of the cache.
const CACHE_BYTES_PER_INDEXED_NAME: usize = 64;
/// At least so many names may be indexed.
const MIN_INDEXED_NAMES: usize = 16_384;

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// Checks and mounts the file system on `store`; unless read-only, deletes
    /// what a crash left without a name.
    pub fn mount(store: S, clock: C, options: MountOptions) -> Result<Self, MountError<S::Error>> {
        let mut file_system = Self::open(store, clock, options)?;
        if !options.read_only {
            match file_system.delete_orphans() {
                // A broken list is marked in the superblock, and left to e2fsck.
                Ok(()) | Err(Error::Corrupt(_)) => {}
                Err(error) => return Err(mount_error(error)),
            }
        }
        Ok(file_system)
    }

    /// Checks the file system on `store` and changes nothing.
    pub(crate) fn open(
        mut store: S,
        clock: C,
        options: MountOptions,
    ) -> Result<Self, MountError<S::Error>> {
        let writing = !options.read_only;
        let store_bytes = store
            .sector_count()
            .saturating_mul(u64::from(store.sector_bytes()));
        let raw = read_superblock(&mut store, store_bytes)?;
        let mut superblock = Superblock::parse(raw, store_bytes, writing)?;
        let block_bytes = superblock.geometry.block_bytes;
        let sector_bytes = store.sector_bytes();
        if !block_bytes.is_multiple_of(sector_bytes) {
            return Err(MountError::SectorSize {
                sector_bytes,
                block_bytes,
            });
        }
        let mut cache = Cache::new(store, block_bytes, options.cache_bytes);
        let groups = read_groups(&mut cache, &superblock).map_err(mount_error)?;
        superblock.note_mount(clock.now_s());
        let names = options.cache_bytes / CACHE_BYTES_PER_INDEXED_NAME;
        let damaged = superblock.has_errors();
        let unchecked = !superblock.is_clean();
        Ok(Self {
            cache,
            next_generation: clock.now_s() as u32,
            clock,
            superblock,
            groups,
            read_only: options.read_only,
            damaged,
            unchecked,
            retained: BTreeMap::new(),
            orphans: Vec::new(),
            indexes: Indexes::new(names.max(MIN_INDEXED_NAMES)),
            sequences: Sequences::default(),
            session_changed: false,
        })
    }

    /// Writes everything back, data before metadata, and marks the image clean,
    /// unless damage was found in it or it was not clean when it was mounted:
    /// then only `e2fsck` may say so.
    pub fn sync(&mut self) -> Outcome<(), S> {
        if self.read_only || self.superblock.is_clean() {
            return Ok(());
        }
        self.cache.write_back(Content::Data)?;
        self.cache.flush()?;
        self.emit_groups()?;
        self.cache.write_back(Content::Metadata)?;
        self.cache.flush()?;
        let (blocks, inodes) = (self.groups.free_blocks(), self.groups.free_inodes());
        self.superblock
            .note_write(self.clock.now_s(), blocks, inodes);
        let clean = !self.damaged && !self.unchecked;
        self.superblock.set_state(clean, self.damaged);
        let written = self.write_superblock().and_then(|()| self.cache.flush());
        if written.is_err() {
            self.superblock.set_state(false, self.damaged);
        }
        written
    }

    /// Nobody has a file open any more: deletes what is retained without a name,
    /// and syncs.
    pub fn finish(&mut self) -> Outcome<(), S> {
        if !self.read_only {
            for number in self.orphans.clone() {
                self.retained.insert(number, 1);
                self.release(number)?;
            }
        }
        self.retained.clear();
        self.session_changed = true;
        self.sync()
    }

    /// Finishes, and gives the store back.
    pub fn unmount(mut self) -> Result<S, (S, Error<S::Error>)> {
        match self.finish() {
            Ok(()) => Ok(self.cache.into_store()),
            Err(error) => Err((self.cache.into_store(), error)),
        }
    }

    /// Sizes and free counts, as `statfs` reports them.
    pub fn statfs(&self) -> Statistics {
        let geometry = &self.superblock.geometry;
        let tables = u64::from(geometry.inode_table_blocks()) + 2;
        let copy = u64::from(geometry.copy_blocks());
        let copies = (0..geometry.groups)
            .filter(|group| geometry.has_superblock(*group))
            .count();
        let overhead = u64::from(geometry.first_data_block)
            + u64::from(geometry.groups) * tables
            + copies as u64 * copy;
        let free_blocks = self.groups.free_blocks();
        Statistics {
            block_bytes: geometry.block_bytes,
            blocks: u64::from(geometry.blocks_count).saturating_sub(overhead),
            free_blocks: u64::from(free_blocks),
            available_blocks: u64::from(free_blocks.saturating_sub(geometry.reserved_blocks)),
            inodes: u64::from(geometry.inodes_count),
            free_inodes: u64::from(self.groups.free_inodes()),
            max_name_bytes: crate::record::MAX_NAME_BYTES as u32,
            max_file_bytes: self.max_file_bytes(),
            is_read_only: self.read_only,
            is_damaged: self.damaged,
            is_unchecked: self.unchecked,
        }
    }

    /// Runs a change: refuses it on a read-only mount, marks the image as not
    /// clean first, and as damaged if it failed with changes half made.
    pub(crate) fn modify<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Outcome<T, S>,
    ) -> Outcome<T, S> {
        if self.read_only {
            return Err(Error::ReadOnly);
        }
        if self.superblock.is_clean() {
            self.superblock.set_state(false, self.damaged);
            let marked = self.write_superblock().and_then(|()| self.cache.flush());
            if let Err(error) = marked {
                self.superblock.set_state(true, self.damaged);
                return Err(error);
            }
        }
        let before = self.cache.changes();
        let result = change(self);
        let half_made = match &result {
            Err(Error::Corrupt(_)) => true,
            Err(Error::Io(_)) => self.cache.changes() != before,
            _ => false,
        };
        if half_made {
            self.damaged = true;
            self.superblock.set_state(false, true);
            self.indexes.clear();
        }
        result
    }

    pub(crate) fn emit_groups(&mut self) -> Outcome<(), S> {
        let geometry = self.superblock.geometry;
        for index in 0..geometry.descriptor_blocks() {
            if self.groups.has_changed(index, &geometry) {
                let block = geometry.first_data_block + 1 + index;
                let bytes = self.cache.get_mut(block, Content::Metadata)?;
                self.groups.emit_block(index, bytes, &geometry);
            }
        }
        Ok(())
    }

    /// Brings the superblock's block in the cache up to date.
    pub(crate) fn emit_superblock(&mut self) -> Outcome<(), S> {
        let (block, offset) = self.superblock.place();
        let place = offset..offset + SUPERBLOCK_BYTES;
        if self.cache.get(block)?[place.clone()] != *self.superblock.raw() {
            let bytes = self.cache.get_mut(block, Content::Metadata)?;
            bytes[place].copy_from_slice(self.superblock.raw());
        }
        Ok(())
    }

    /// Writes the superblock as it is in memory, now.
    fn write_superblock(&mut self) -> Outcome<(), S> {
        let (block, offset) = self.superblock.place();
        let bytes = self.cache.get_mut(block, Content::Metadata)?;
        bytes[offset..offset + SUPERBLOCK_BYTES].copy_from_slice(self.superblock.raw());
        self.cache.write_now(block)
    }
}

fn read_superblock<S: BlockStore>(
    store: &mut S,
    store_bytes: u64,
) -> Result<Box<[u8; SUPERBLOCK_BYTES]>, MountError<S::Error>> {
    let sector_bytes = store.sector_bytes() as usize;
    if !sector_bytes.is_power_of_two() || !(512..=4096).contains(&sector_bytes) {
        let block_bytes = 4096;
        return Err(MountError::SectorSize {
            sector_bytes: store.sector_bytes(),
            block_bytes,
        });
    }
    let end = SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES;
    if store_bytes < end as u64 {
        return Err(MountError::NotExt2);
    }
    let mut start = vec![0; end.next_multiple_of(sector_bytes)];
    store.read(0, &mut start).map_err(MountError::Io)?;
    let mut raw = Box::new([0; SUPERBLOCK_BYTES]);
    raw.copy_from_slice(&start[SUPERBLOCK_OFFSET..end]);
    Ok(raw)
}

pub(crate) fn read_groups<S: BlockStore>(
    cache: &mut Cache<S>,
    superblock: &Superblock,
) -> Outcome<Groups, S> {
    let geometry = &superblock.geometry;
    let mut groups = Groups::with_capacity(geometry.groups);
    for index in 0..geometry.descriptor_blocks() {
        let block = cache.get(geometry.first_data_block + 1 + index)?;
        groups.parse_block(block, geometry)?;
    }
    Ok(groups)
}

/// Mounting reads and deletes orphans; nothing else can come of that.
pub(crate) fn mount_error<E>(error: Error<E>) -> MountError<E> {
    match error {
        Error::Io(error) => MountError::Io(error),
        Error::Corrupt(what) => MountError::Corrupt(what),
        _ => MountError::Corrupt(crate::error::Corruption::OrphanList),
    }
}
