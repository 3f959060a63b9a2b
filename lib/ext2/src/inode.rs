//! Inodes: their fields on the disk, and where each one lies.

use crate::bytes::{put_u16, put_u32, u16_at, u32_at};
use crate::cache::Content;
use crate::error::{Corruption, Error};
use crate::outcome::{Outcome, lost};
use crate::superblock::{Geometry, ROOT_INODE};
use crate::{BlockStore, Clock, Ext2, FileKind, InodeNumber, Stat, stamp};

/// Bytes of a target that fit where the block pointers would be.
pub(crate) const FAST_SYMLINK_BYTES: usize = 60;
/// Number of block pointers in an inode.
pub(crate) const POINTERS: usize = 15;
/// ext2 allows no more links to one inode.
pub(crate) const MAX_LINKS: u16 = 32_000;

/// The directory has a hash tree in its blocks, which a plain insertion breaks.
pub(crate) const FLAG_INDEX: u32 = 0x1000;
/// Block map formats of ext4 that the feature bits should have announced.
const FLAGS_FOREIGN: u32 = 0x0008_0000 | 0x1000_0000;
/// The classic part of an inode, which every revision has.
pub(crate) const CLASSIC_BYTES: usize = 128;

mod field {
    pub const MODE: usize = 0;
    pub const UID: usize = 2;
    pub const SIZE: usize = 4;
    pub const DTIME: usize = 20;
    pub const GID: usize = 24;
    pub const LINKS: usize = 26;
    pub const SECTORS: usize = 28;
    pub const FLAGS: usize = 32;
    pub const BLOCK: usize = 40;
    pub const GENERATION: usize = 100;
    pub const ATTRIBUTES: usize = 104;
    pub const SIZE_HIGH: usize = 108;
    pub const UID_HIGH: usize = 120;
    pub const GID_HIGH: usize = 122;
}

/// An inode's fields in memory.
#[derive(Debug, Clone)]
pub(crate) struct Inode {
    pub number: InodeNumber,
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub atime_s: i64,
    pub ctime_s: i64,
    pub mtime_s: i64,
    /// When it was deleted; on the orphan list, the next inode of the list.
    pub dtime_s: u32,
    pub links: u16,
    /// Allocated space in units of 512 bytes, with indirect blocks.
    pub sectors: u32,
    pub flags: u32,
    pub pointers: [u32; POINTERS],
    pub generation: u32,
    /// The block of extended attributes, 0 for none.
    pub attributes: u32,
}

impl Inode {
    /// An inode that was just allocated.
    pub fn new(number: InodeNumber, kind: FileKind, permissions: u16, now_s: i64) -> Self {
        Self {
            number,
            mode: kind.mode_bits() | (permissions & 0o7777),
            uid: 0,
            gid: 0,
            size: 0,
            atime_s: now_s,
            ctime_s: now_s,
            mtime_s: now_s,
            dtime_s: 0,
            links: 1,
            sectors: 0,
            flags: 0,
            pointers: [0; POINTERS],
            generation: 0,
            attributes: 0,
        }
    }

    fn parse(number: InodeNumber, bytes: &[u8]) -> Self {
        let mode = u16_at(bytes, field::MODE);
        let has_size_high = FileKind::of_mode(mode) == Some(FileKind::Regular);
        let size_high = if has_size_high {
            u32_at(bytes, field::SIZE_HIGH)
        } else {
            0
        };
        let half = |low, high| u32::from(u16_at(bytes, low)) | u32::from(u16_at(bytes, high)) << 16;
        Self {
            number,
            mode,
            uid: half(field::UID, field::UID_HIGH),
            gid: half(field::GID, field::GID_HIGH),
            size: u64::from(u32_at(bytes, field::SIZE)) | u64::from(size_high) << 32,
            atime_s: stamp::ACCESS.read(bytes),
            ctime_s: stamp::CHANGE.read(bytes),
            mtime_s: stamp::MODIFICATION.read(bytes),
            dtime_s: u32_at(bytes, field::DTIME),
            links: u16_at(bytes, field::LINKS),
            sectors: u32_at(bytes, field::SECTORS),
            flags: u32_at(bytes, field::FLAGS),
            pointers: core::array::from_fn(|i| u32_at(bytes, field::BLOCK + i * 4)),
            generation: u32_at(bytes, field::GENERATION),
            attributes: u32_at(bytes, field::ATTRIBUTES),
        }
    }

    fn emit(&self, bytes: &mut [u8]) {
        put_u16(bytes, field::MODE, self.mode);
        put_u16(bytes, field::UID, self.uid as u16);
        put_u16(bytes, field::UID_HIGH, (self.uid >> 16) as u16);
        put_u16(bytes, field::GID, self.gid as u16);
        put_u16(bytes, field::GID_HIGH, (self.gid >> 16) as u16);
        put_u32(bytes, field::SIZE, self.size as u32);
        if self.kind() == Some(FileKind::Regular) {
            put_u32(bytes, field::SIZE_HIGH, (self.size >> 32) as u32);
        }
        stamp::ACCESS.write(bytes, self.atime_s);
        stamp::CHANGE.write(bytes, self.ctime_s);
        stamp::MODIFICATION.write(bytes, self.mtime_s);
        put_u32(bytes, field::DTIME, self.dtime_s);
        put_u16(bytes, field::LINKS, self.links);
        put_u32(bytes, field::SECTORS, self.sectors);
        put_u32(bytes, field::FLAGS, self.flags);
        for (i, pointer) in self.pointers.iter().enumerate() {
            put_u32(bytes, field::BLOCK + i * 4, *pointer);
        }
        put_u32(bytes, field::GENERATION, self.generation);
        put_u32(bytes, field::ATTRIBUTES, self.attributes);
    }

    pub fn kind(&self) -> Option<FileKind> {
        FileKind::of_mode(self.mode)
    }

    pub fn is_directory(&self) -> bool {
        self.kind() == Some(FileKind::Directory)
    }

    /// Whether the pointers lead to blocks, not to a short link target or device.
    pub fn has_block_map(&self, geometry: &Geometry) -> bool {
        match self.kind() {
            Some(FileKind::Regular | FileKind::Directory) => true,
            Some(FileKind::Symlink) => !self.is_fast_symlink(geometry),
            _ => false,
        }
    }

    /// Whether this symbolic link's target stands in the inode itself.
    pub fn is_fast_symlink(&self, geometry: &Geometry) -> bool {
        let attributes = match self.attributes {
            0 => 0,
            _ => geometry.sectors_512_per_block(),
        };
        self.kind() == Some(FileKind::Symlink) && self.sectors <= attributes
    }

    pub fn add_blocks(&mut self, count: u32, geometry: &Geometry) {
        let sectors = count.saturating_mul(geometry.sectors_512_per_block());
        self.sectors = self.sectors.saturating_add(sectors);
    }

    pub fn remove_blocks(&mut self, count: u32, geometry: &Geometry) {
        let sectors = count.saturating_mul(geometry.sectors_512_per_block());
        self.sectors = self.sectors.saturating_sub(sectors);
    }

    pub fn stat(&self, kind: FileKind) -> Stat {
        Stat {
            inode: self.number,
            kind,
            permissions: self.mode & 0o7777,
            links: self.links,
            uid: self.uid,
            gid: self.gid,
            size: self.size,
            sectors_512: self.sectors,
            atime_s: self.atime_s,
            mtime_s: self.mtime_s,
            ctime_s: self.ctime_s,
            generation: self.generation,
        }
    }
}

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// An inode in use: it has links, or was unlinked and is retained.
    pub(crate) fn inode(&mut self, number: InodeNumber) -> Outcome<Inode, S> {
        if !self.is_ordinary(number) {
            return Err(Error::NotFound);
        }
        let inode = self.load_inode(number)?;
        if inode.links == 0 && !self.retained.contains_key(&number) {
            return Err(Error::NotFound);
        }
        let kind = inode.kind().ok_or(Corruption::Inode)?;
        let too_large = kind == FileKind::Regular && inode.size > self.max_file_bytes();
        if too_large || inode.flags & FLAGS_FOREIGN != 0 {
            return Err(Corruption::Inode.into());
        }
        Ok(inode)
    }

    /// The inode that a directory record names: not to be in use is damage.
    pub(crate) fn named_inode(&mut self, number: InodeNumber) -> Outcome<Inode, S> {
        self.inode(number)
            .map_err(|error| lost(error, Corruption::Inode))
    }

    /// Whether `number` may stand in a directory: the root, or not reserved.
    pub(crate) fn is_ordinary(&self, number: InodeNumber) -> bool {
        let geometry = &self.superblock.geometry;
        number == ROOT_INODE || (geometry.first_inode..=geometry.inodes_count).contains(&number)
    }

    /// The inode as it stands in the table, in use or not; `number` is ordinary.
    pub(crate) fn load_inode(&mut self, number: InodeNumber) -> Outcome<Inode, S> {
        let (block, offset) = self.inode_location(number);
        let end = offset + self.superblock.geometry.inode_bytes as usize;
        let bytes = &self.cache.get(block)?[offset..end];
        Ok(Inode::parse(number, bytes))
    }

    pub(crate) fn store_inode(&mut self, inode: &Inode) -> Outcome<(), S> {
        let (block, offset) = self.inode_location(inode.number);
        let end = offset + self.superblock.geometry.inode_bytes as usize;
        inode.emit(&mut self.cache.get_mut(block, Content::Metadata)?[offset..end]);
        Ok(())
    }

    /// Stores an inode over whatever its slot in the table held before.
    pub(crate) fn store_new_inode(&mut self, inode: &Inode) -> Outcome<(), S> {
        let (block, offset) = self.inode_location(inode.number);
        let end = offset + self.superblock.geometry.inode_bytes as usize;
        let bytes = &mut self.cache.get_mut(block, Content::Metadata)?[offset..end];
        bytes.fill(0);
        stamp::make_room(bytes);
        inode.emit(bytes);
        Ok(())
    }

    /// The table's block and the offset in it of an ordinary inode.
    fn inode_location(&self, number: InodeNumber) -> (u32, usize) {
        let geometry = &self.superblock.geometry;
        let group = self.groups.get(geometry.group_of_inode(number));
        let index = (number - 1) % geometry.inodes_per_group;
        let per_block = geometry.block_bytes / geometry.inode_bytes;
        let offset = (index % per_block) * geometry.inode_bytes;
        (group.inode_table + index / per_block, offset as usize)
    }
}
