//! Directories: finding, listing, inserting and removing names.

use core::ops::ControlFlow;

use crate::cache::Content;
use crate::error::{Corruption, Error};
use crate::index::{Index, Indexes, same_hash};
use crate::inode::{FLAG_INDEX, Inode};
use crate::map::Run;
use crate::outcome::Outcome;
use crate::record::{self, MAX_NAME_BYTES, Records, space_for};
use crate::{BlockStore, Clock, DirectoryEntry, Ext2, FileKind, InodeNumber};

/// A directory of fewer blocks is scanned, not indexed.
const MIN_INDEXED_BLOCKS: u32 = 2;

/// Where a name was found, and what it names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub inode: InodeNumber,
    /// The directory's block that holds the record.
    logical: u32,
    /// The same block on the store.
    block: u32,
    offset: usize,
}

/// Refuses what cannot be the name of a directory's entry, `.` and `..` included.
pub(crate) fn check_new_name<E>(name: &[u8]) -> Result<(), Error<E>> {
    if name == b"." || name == b".." {
        return Err(Error::InvalidName);
    }
    check_name(name)
}

fn check_name<E>(name: &[u8]) -> Result<(), Error<E>> {
    if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
        return Err(Error::InvalidName);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::NameTooLong);
    }
    Ok(())
}

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// The inode that `name` (`.` and `..` too) stands for in a directory.
    pub fn lookup(&mut self, directory: InodeNumber, name: &[u8]) -> Outcome<InodeNumber, S> {
        check_name(name)?;
        let directory = self.directory(directory)?;
        let found = self.find(&directory, name)?.ok_or(Error::NotFound)?;
        Ok(found.inode)
    }

    /// Shows `visit` the entries of a directory, in its own order, from
    /// `cookie` on (0 for the first), until it answers `Break`.
    ///
    /// An entry's `cookie` continues at that entry, its `next_cookie` after it.
    /// Cookies stay valid while entries are removed or added in between: each
    /// entry that was there all the time is shown once. `.` and `..` are shown.
    pub fn read_dir(
        &mut self,
        directory: InodeNumber,
        cookie: u64,
        mut visit: impl FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Outcome<(), S> {
        let directory = self.directory(directory)?;
        if directory.links == 0 {
            return Ok(());
        }
        let geometry = self.superblock.geometry;
        let block_bytes = u64::from(geometry.block_bytes);
        let first = cookie / block_bytes;
        let blocks = self.directory_blocks(&directory)?;
        for logical in first..u64::from(blocks) {
            let block = self.directory_block(&directory, logical as u32)?;
            let base = logical * block_bytes;
            for record in Records::of(self.cache.get(block)?, geometry.has_filetype) {
                let record = record?;
                let here = base + record.offset as u64;
                if record.inode == 0 || here < cookie {
                    continue;
                }
                if record.inode > geometry.inodes_count {
                    return Err(Corruption::InodeNumber.into());
                }
                let next = here + record.length as u64;
                let entry = DirectoryEntry {
                    inode: record.inode,
                    kind: record.kind,
                    name: record.name,
                    cookie: here,
                    next_cookie: next,
                };
                if visit(entry).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The inode of a directory in use.
    pub(crate) fn directory(&mut self, number: InodeNumber) -> Outcome<Inode, S> {
        let inode = self.inode(number)?;
        if inode.is_directory() {
            Ok(inode)
        } else {
            Err(Error::NotDirectory)
        }
    }

    /// Finds `name`, by the directory's index if it is worth one.
    pub(crate) fn find(&mut self, directory: &Inode, name: &[u8]) -> Outcome<Option<Found>, S> {
        if directory.links == 0 {
            return Ok(None);
        }
        let blocks = self.directory_blocks(directory)?;
        if blocks >= MIN_INDEXED_BLOCKS && self.ensure_index(directory, blocks)? {
            let index = self.indexes.get(directory.number);
            for logical in index
                .map(|index| index.candidates(name))
                .unwrap_or_default()
            {
                if let Some(found) = self.find_in_block(directory, logical, name)? {
                    return Ok(Some(found));
                }
            }
            return Ok(None);
        }
        for logical in 0..blocks {
            if let Some(found) = self.find_in_block(directory, logical, name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether a directory holds nothing but `.` and `..`.
    pub(crate) fn is_empty_directory(&mut self, directory: &Inode) -> Outcome<bool, S> {
        let has_filetype = self.superblock.geometry.has_filetype;
        for logical in 0..self.directory_blocks(directory)? {
            let block = self.directory_block(directory, logical)?;
            for record in Records::of(self.cache.get(block)?, has_filetype) {
                let record = record?;
                if record.inode != 0 && record.name != b"." && record.name != b".." {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Adds a name that is not there yet, and stamps the directory.
    pub(crate) fn insert(
        &mut self,
        number: InodeNumber,
        name: &[u8],
        inode: InodeNumber,
        kind: FileKind,
    ) -> Outcome<(), S> {
        let mut directory = self.directory(number)?;
        if directory.links == 0 {
            return Err(Error::NotFound);
        }
        self.stamp_changed_directory(&mut directory);
        let has_filetype = self.superblock.geometry.has_filetype;
        let code = self.type_code(kind);
        let logical = match self.block_with_gap(&directory, space_for(name))? {
            Some(logical) => logical,
            None => {
                let grown = self.grow_directory(&mut directory);
                self.store_inode(&directory)?;
                grown?
            }
        };
        self.store_inode(&directory)?;
        let block = self.directory_block(&directory, logical)?;
        let bytes = self.cache.get_mut(block, Content::Metadata)?;
        if !record::insert(bytes, has_filetype, inode, code, name)? {
            return Err(Corruption::DirectoryRecord.into());
        }
        let gap = record::largest_gap(bytes, has_filetype)?;
        if let Some(index) = self.indexes.get(number).filter(|index| index.is_usable()) {
            index.add(name, logical);
            index.set_gap(logical, gap);
            self.indexes.enforce_limits();
        }
        Ok(())
    }

    /// Removes a name that was just found, and stamps the directory.
    pub(crate) fn remove(
        &mut self,
        number: InodeNumber,
        name: &[u8],
        found: Found,
    ) -> Outcome<(), S> {
        self.touch_directory(number, 0)?;
        let has_filetype = self.superblock.geometry.has_filetype;
        let bytes = self.cache.get_mut(found.block, Content::Metadata)?;
        record::remove(bytes, has_filetype, found.offset)?;
        let gap = record::largest_gap(bytes, has_filetype)?;
        let still_there = Records::of(bytes, has_filetype)
            .flatten()
            .any(|record| record.inode != 0 && same_hash(record.name, name));
        if let Some(index) = self.indexes.get(number).filter(|index| index.is_usable()) {
            index.remove(name, found.logical, still_there);
            index.set_gap(found.logical, gap);
        }
        Ok(())
    }

    /// Lets a name that was just found stand for another inode.
    pub(crate) fn replace(
        &mut self,
        number: InodeNumber,
        found: Found,
        inode: InodeNumber,
        kind: FileKind,
    ) -> Outcome<(), S> {
        self.touch_directory(number, 0)?;
        let code = self.type_code(kind);
        let bytes = self.cache.get_mut(found.block, Content::Metadata)?;
        record::set_inode(bytes, found.offset, inode, code);
        Ok(())
    }

    /// Fills a new directory's first block, which makes it a directory of `parent`.
    pub(crate) fn make_directory_block(
        &mut self,
        directory: &mut Inode,
        parent: InodeNumber,
    ) -> Outcome<(), S> {
        let code = self.type_code(FileKind::Directory);
        let block_bytes = self.superblock.geometry.block_bytes as usize;
        let (block, _, _) = self.map_or_allocate(directory, 0, 1)?;
        directory.size = block_bytes as u64;
        let bytes = self.cache.zeroed(block, Content::Metadata)?;
        let dot = space_for(b".");
        record::emit(bytes, 0, dot, directory.number, code, b".");
        record::emit(bytes, dot, block_bytes - dot, parent, code, b"..");
        Ok(())
    }

    /// Stamps a directory as changed and adds `link_change` to its links.
    pub(crate) fn touch_directory(
        &mut self,
        number: InodeNumber,
        link_change: i16,
    ) -> Outcome<(), S> {
        let mut directory = self.directory(number)?;
        self.stamp_changed_directory(&mut directory);
        directory.links = directory.links.saturating_add_signed(link_change);
        self.store_inode(&directory)
    }

    /// A changed directory's hash tree no longer describes it.
    fn stamp_changed_directory(&self, directory: &mut Inode) {
        directory.flags &= !FLAG_INDEX;
        directory.mtime_s = self.clock.now_s();
        directory.ctime_s = directory.mtime_s;
    }

    fn type_code(&self, kind: FileKind) -> u8 {
        if self.superblock.geometry.has_filetype {
            kind.code()
        } else {
            0
        }
    }

    fn find_in_block(
        &mut self,
        directory: &Inode,
        logical: u32,
        name: &[u8],
    ) -> Outcome<Option<Found>, S> {
        let block = self.directory_block(directory, logical)?;
        let geometry = self.superblock.geometry;
        let mut found = None;
        for record in Records::of(self.cache.get(block)?, geometry.has_filetype) {
            let record = record?;
            if record.inode != 0 && record.name == name {
                found = Some(Found {
                    inode: record.inode,
                    logical,
                    block,
                    offset: record.offset,
                });
                break;
            }
        }
        match found {
            Some(found) if !self.is_ordinary(found.inode) => Err(Corruption::InodeNumber.into()),
            found => Ok(found),
        }
    }

    /// Builds the index of a directory unless it is there; false if it is too large.
    fn ensure_index(&mut self, directory: &Inode, blocks: u32) -> Outcome<bool, S> {
        if let Some(index) = self.indexes.get(directory.number) {
            return Ok(index.is_usable());
        }
        let mut index = Index::new(directory.number);
        let has_filetype = self.superblock.geometry.has_filetype;
        for logical in 0..blocks {
            let block = self.directory_block(directory, logical)?;
            let bytes = self.cache.get(block)?;
            index.set_gap(logical, record::largest_gap(bytes, has_filetype)?);
            for record in Records::of(bytes, has_filetype).flatten() {
                if record.inode != 0 {
                    index.add(record.name, logical);
                }
            }
            if !self.indexes.has_room_for(&index) {
                self.indexes.keep(Indexes::overflow(index));
                return Ok(false);
            }
        }
        self.indexes.keep(index);
        Ok(true)
    }

    fn block_with_gap(&mut self, directory: &Inode, bytes: usize) -> Outcome<Option<u32>, S> {
        let blocks = self.directory_blocks(directory)?;
        if blocks >= MIN_INDEXED_BLOCKS && self.ensure_index(directory, blocks)? {
            let index = self.indexes.get(directory.number);
            return Ok(index.and_then(|index| index.block_with_gap(bytes)));
        }
        let has_filetype = self.superblock.geometry.has_filetype;
        for logical in 0..blocks {
            let block = self.directory_block(directory, logical)?;
            if record::largest_gap(self.cache.get(block)?, has_filetype)? >= bytes {
                return Ok(Some(logical));
            }
        }
        Ok(None)
    }

    /// Appends an empty block; the caller stores the inode, also after an error.
    fn grow_directory(&mut self, directory: &mut Inode) -> Outcome<u32, S> {
        let logical = self.directory_blocks(directory)?;
        let block_bytes = self.superblock.geometry.block_bytes as usize;
        if directory.size + block_bytes as u64 > u64::from(u32::MAX) {
            return Err(Error::FileTooLarge);
        }
        let (block, _, fresh) = self.map_or_allocate(directory, u64::from(logical), 1)?;
        if !fresh {
            return Err(Corruption::DirectorySize.into());
        }
        let bytes = self.cache.zeroed(block, Content::Metadata)?;
        record::emit(bytes, 0, block_bytes, 0, 0, b"");
        directory.size += block_bytes as u64;
        if let Some(index) = self.indexes.get(directory.number) {
            index.set_gap(logical, block_bytes);
        }
        Ok(logical)
    }

    /// How many blocks a directory has, which no image can make unbounded.
    fn directory_blocks(&self, directory: &Inode) -> Result<u32, Corruption> {
        let geometry = &self.superblock.geometry;
        let block_bytes = u64::from(geometry.block_bytes);
        let blocks = directory.size / block_bytes;
        let sound = directory.size.is_multiple_of(block_bytes)
            && (1..=u64::from(geometry.blocks_count)).contains(&blocks);
        if sound {
            Ok(blocks as u32)
        } else {
            Err(Corruption::DirectorySize)
        }
    }

    fn directory_block(&mut self, directory: &Inode, logical: u32) -> Outcome<u32, S> {
        match self.map(directory, u64::from(logical), 1)? {
            Run::Mapped { first, .. } => Ok(first),
            Run::Hole { .. } => Err(Corruption::DirectorySize.into()),
        }
    }
}
