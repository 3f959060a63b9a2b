//! The superblock: one checked constructor, then geometry that can be trusted.
//!
//! Layout: <https://www.nongnu.org/ext2-doc/ext2.html>, section 3.1.

use alloc::boxed::Box;

use crate::bytes::{put_u16, put_u32, u16_at, u32_at};
use crate::error::{Corruption, MountError};
use crate::features::{
    COMPAT_RESIZE_INODE, INCOMPAT_FILETYPE, RO_COMPAT_LARGE_FILE, RO_COMPAT_SPARSE_SUPER,
    UnsupportedFeatures,
};

/// Where the superblock starts on the store, in bytes.
pub(crate) const SUPERBLOCK_OFFSET: usize = 1024;
/// How long it is, in bytes.
pub(crate) const SUPERBLOCK_BYTES: usize = 1024;
/// Length of the number that tells one file system from all others, in bytes.
pub(crate) const UUID_BYTES: usize = 16;
/// Size of one group descriptor in bytes.
pub(crate) const DESCRIPTOR_BYTES: u32 = 32;
/// The root directory's inode number.
pub(crate) const ROOT_INODE: u32 = 2;

const MAGIC: u16 = 0xEF53;
const STATE_CLEAN: u16 = 1;
const STATE_ERRORS: u16 = 2;
/// e2fsprogs makes no smaller group; this bounds the number of groups.
const MIN_BLOCKS_PER_GROUP: u32 = 256;

/// Offsets of the fields that are read or written.
mod field {
    pub const INODES_COUNT: usize = 0;
    pub const BLOCKS_COUNT: usize = 4;
    pub const RESERVED_BLOCKS: usize = 8;
    pub const FREE_BLOCKS: usize = 12;
    pub const FREE_INODES: usize = 16;
    pub const FIRST_DATA_BLOCK: usize = 20;
    pub const LOG_BLOCK_SIZE: usize = 24;
    pub const BLOCKS_PER_GROUP: usize = 32;
    pub const INODES_PER_GROUP: usize = 40;
    pub const MOUNT_TIME: usize = 44;
    pub const WRITE_TIME: usize = 48;
    pub const MOUNT_COUNT: usize = 52;
    pub const MAGIC: usize = 56;
    pub const STATE: usize = 58;
    pub const REVISION: usize = 76;
    pub const FIRST_INODE: usize = 84;
    pub const INODE_SIZE: usize = 88;
    pub const COMPAT: usize = 92;
    pub const INCOMPAT: usize = 96;
    pub const RO_COMPAT: usize = 100;
    pub const UUID: usize = 104;
    pub const RESERVED_DESCRIPTOR_BLOCKS: usize = 206;
    pub const LAST_ORPHAN: usize = 232;
}

/// Sizes and counts, checked against each other and against the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub block_bytes: u32,
    pub blocks_count: u32,
    pub inodes_count: u32,
    pub reserved_blocks: u32,
    pub first_data_block: u32,
    pub blocks_per_group: u32,
    pub inodes_per_group: u32,
    pub groups: u32,
    pub inode_bytes: u32,
    /// The first inode number that is not reserved.
    pub first_inode: u32,
    /// Blocks kept behind the descriptors for the file system to grow.
    pub reserved_descriptor_blocks: u32,
    pub has_filetype: bool,
    pub has_sparse_super: bool,
}

/// The superblock as it stands on the disk, with its checked geometry.
pub(crate) struct Superblock {
    raw: Box<[u8; SUPERBLOCK_BYTES]>,
    pub geometry: Geometry,
}

impl Superblock {
    /// Checks `raw`, of a store of `store_bytes`; `writing` tells whether the
    /// features must allow more than reading.
    pub fn parse<E>(
        raw: Box<[u8; SUPERBLOCK_BYTES]>,
        store_bytes: u64,
        writing: bool,
    ) -> Result<Self, MountError<E>> {
        let bytes = &raw[..];
        if u16_at(bytes, field::MAGIC) != MAGIC {
            return Err(MountError::NotExt2);
        }
        let revision = u32_at(bytes, field::REVISION);
        if revision != 1 {
            return Err(MountError::Revision(revision));
        }
        if let Some(features) = UnsupportedFeatures::for_reading(u32_at(bytes, field::INCOMPAT)) {
            return Err(MountError::Incompatible(features));
        }
        if let Some(features) = UnsupportedFeatures::for_writing(u32_at(bytes, field::RO_COMPAT))
            && writing
        {
            return Err(MountError::WritingUnsupported(features));
        }
        let log_block_size = u32_at(bytes, field::LOG_BLOCK_SIZE);
        if log_block_size > 2 {
            return Err(MountError::BlockSize {
                log2_bytes: log_block_size.saturating_add(10),
            });
        }
        let geometry = Geometry::parse(bytes, 1024 << log_block_size)?;
        geometry.check(store_bytes)?;
        Ok(Self { raw, geometry })
    }

    pub fn is_clean(&self) -> bool {
        u16_at(&self.raw[..], field::STATE) & STATE_CLEAN != 0
    }

    /// Sets the state the next mount, or `e2fsck`, will find.
    pub fn set_state(&mut self, clean: bool, errors: bool) {
        let mut state = u16_at(&self.raw[..], field::STATE) & !STATE_CLEAN;
        if errors {
            state |= STATE_ERRORS;
        }
        if clean {
            state |= STATE_CLEAN;
        }
        put_u16(&mut self.raw[..], field::STATE, state);
    }

    /// Whether the image was marked as damaged, now or by whoever had it before.
    pub fn has_errors(&self) -> bool {
        u16_at(&self.raw[..], field::STATE) & STATE_ERRORS != 0
    }

    pub fn note_mount(&mut self, now_s: i64) {
        let mounts = u16_at(&self.raw[..], field::MOUNT_COUNT).saturating_add(1);
        put_u16(&mut self.raw[..], field::MOUNT_COUNT, mounts);
        put_u32(&mut self.raw[..], field::MOUNT_TIME, now_s as u32);
    }

    pub fn note_write(&mut self, now_s: i64, free_blocks: u32, free_inodes: u32) {
        put_u32(&mut self.raw[..], field::WRITE_TIME, now_s as u32);
        put_u32(&mut self.raw[..], field::FREE_BLOCKS, free_blocks);
        put_u32(&mut self.raw[..], field::FREE_INODES, free_inodes);
    }

    pub fn note_large_file(&mut self) {
        let features = u32_at(&self.raw[..], field::RO_COMPAT) | RO_COMPAT_LARGE_FILE;
        put_u32(&mut self.raw[..], field::RO_COMPAT, features);
    }

    /// The newest inode of the orphan list, 0 for none.
    pub fn last_orphan(&self) -> u32 {
        u32_at(&self.raw[..], field::LAST_ORPHAN)
    }

    pub fn set_last_orphan(&mut self, inode: u32) {
        put_u32(&mut self.raw[..], field::LAST_ORPHAN, inode);
    }

    pub fn uuid(&self) -> [u8; UUID_BYTES] {
        let mut uuid = [0; UUID_BYTES];
        uuid.copy_from_slice(&self.raw[field::UUID..field::UUID + UUID_BYTES]);
        uuid
    }

    /// The block it stands in, and where in that.
    pub fn place(&self) -> (u32, usize) {
        let block_bytes = self.geometry.block_bytes as usize;
        let block = SUPERBLOCK_OFFSET / block_bytes;
        (block as u32, SUPERBLOCK_OFFSET % block_bytes)
    }

    pub fn raw(&self) -> &[u8] {
        &self.raw[..]
    }
}

impl Geometry {
    fn parse(bytes: &[u8], block_bytes: u32) -> Result<Self, Corruption> {
        let first_data_block = u32_at(bytes, field::FIRST_DATA_BLOCK);
        let blocks_count = u32_at(bytes, field::BLOCKS_COUNT);
        let blocks_per_group = u32_at(bytes, field::BLOCKS_PER_GROUP);
        if blocks_per_group < MIN_BLOCKS_PER_GROUP || blocks_count <= first_data_block {
            return Err(Corruption::Geometry);
        }
        let reserved = match u32_at(bytes, field::COMPAT) & COMPAT_RESIZE_INODE {
            0 => 0,
            _ => u32::from(u16_at(bytes, field::RESERVED_DESCRIPTOR_BLOCKS)),
        };
        Ok(Self {
            block_bytes,
            blocks_count,
            inodes_count: u32_at(bytes, field::INODES_COUNT),
            reserved_blocks: u32_at(bytes, field::RESERVED_BLOCKS).min(blocks_count),
            first_data_block,
            blocks_per_group,
            inodes_per_group: u32_at(bytes, field::INODES_PER_GROUP),
            groups: (blocks_count - first_data_block).div_ceil(blocks_per_group),
            inode_bytes: u32::from(u16_at(bytes, field::INODE_SIZE)),
            first_inode: u32_at(bytes, field::FIRST_INODE),
            reserved_descriptor_blocks: reserved,
            has_filetype: u32_at(bytes, field::INCOMPAT) & INCOMPAT_FILETYPE != 0,
            has_sparse_super: u32_at(bytes, field::RO_COMPAT) & RO_COMPAT_SPARSE_SUPER != 0,
        })
    }

    fn check(&self, store_bytes: u64) -> Result<(), Corruption> {
        let bits_per_block = self.block_bytes * 8;
        let first_data_block = u32::from(self.block_bytes == 1024);
        let inodes = u64::from(self.groups) * u64::from(self.inodes_per_group);
        let end_of_descriptors = u64::from(first_data_block) + u64::from(self.copy_blocks());
        let sound = self.first_data_block == first_data_block
            && self.blocks_per_group <= bits_per_block
            && self.blocks_per_group.is_multiple_of(8)
            && self.inode_bytes.is_power_of_two()
            && (128..=self.block_bytes).contains(&self.inode_bytes)
            && (1..=bits_per_block).contains(&self.inodes_per_group)
            && self.inodes_per_group.is_multiple_of(8)
            && inodes == u64::from(self.inodes_count)
            && (11..=self.inodes_per_group).contains(&self.first_inode)
            && u64::from(self.blocks_count) * u64::from(self.block_bytes) <= store_bytes
            && end_of_descriptors <= u64::from(self.blocks_count);
        if sound {
            Ok(())
        } else {
            Err(Corruption::Geometry)
        }
    }

    /// Blocks that the table of group descriptors takes.
    pub fn descriptor_blocks(&self) -> u32 {
        self.groups.div_ceil(self.block_bytes / DESCRIPTOR_BYTES)
    }

    /// Blocks that a copy of superblock, descriptors and their reserve takes.
    pub fn copy_blocks(&self) -> u32 {
        1 + self.descriptor_blocks() + self.reserved_descriptor_blocks
    }

    /// Blocks that one group's inode table takes.
    pub fn inode_table_blocks(&self) -> u32 {
        self.inodes_per_group
            .div_ceil(self.block_bytes / self.inode_bytes)
    }

    pub fn group_of_block(&self, block: u32) -> u32 {
        block.saturating_sub(self.first_data_block) / self.blocks_per_group
    }

    pub fn group_of_inode(&self, inode: u32) -> u32 {
        inode.saturating_sub(1) / self.inodes_per_group
    }

    pub fn first_block_of(&self, group: u32) -> u32 {
        // group < groups, so the product stays below blocks_count.
        self.first_data_block + group * self.blocks_per_group
    }

    /// How many blocks `group` has; the last one may be short.
    pub fn blocks_in(&self, group: u32) -> u32 {
        (self.blocks_count - self.first_block_of(group)).min(self.blocks_per_group)
    }

    /// Pointers in one indirect block.
    pub fn pointers_per_block(&self) -> u32 {
        self.block_bytes / 4
    }

    /// Units of 512 bytes in one block, as `i_blocks` counts.
    pub fn sectors_512_per_block(&self) -> u32 {
        self.block_bytes / 512
    }

    /// Whether `group` holds a copy of the superblock and the descriptors.
    pub fn has_superblock(&self, group: u32) -> bool {
        let is_power_of = |base: u32| {
            let mut power = base;
            while power < group {
                match power.checked_mul(base) {
                    Some(next) => power = next,
                    None => return false,
                }
            }
            power == group
        };
        !self.has_sparse_super || group <= 1 || is_power_of(3) || is_power_of(5) || is_power_of(7)
    }
}
