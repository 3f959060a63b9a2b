//! Group descriptors: where each group keeps its bitmaps and inodes.

use alloc::vec::Vec;

use crate::bytes::{put_u16, u16_at, u32_at};
use crate::error::Corruption;
use crate::superblock::{DESCRIPTOR_BYTES, Geometry};

const FREE_BLOCKS: usize = 12;
const FREE_INODES: usize = 14;
const DIRECTORIES: usize = 16;

/// One group's descriptor, checked: its tables lie inside the group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub block_bitmap: u32,
    pub inode_bitmap: u32,
    pub inode_table: u32,
    pub free_blocks: u16,
    pub free_inodes: u16,
    pub directories: u16,
    /// The counts differ from those on the disk.
    changed: bool,
}

/// All group descriptors.
pub(crate) struct Groups {
    list: Vec<Group>,
}

impl Group {
    /// Checks the descriptor at the start of `bytes`, which is that of `number`.
    fn parse(bytes: &[u8], number: u32, geometry: &Geometry) -> Result<Self, Corruption> {
        let group = Self {
            block_bitmap: u32_at(bytes, 0),
            inode_bitmap: u32_at(bytes, 4),
            inode_table: u32_at(bytes, 8),
            free_blocks: u16_at(bytes, FREE_BLOCKS),
            free_inodes: u16_at(bytes, FREE_INODES),
            directories: u16_at(bytes, DIRECTORIES),
            changed: false,
        };
        let first = u64::from(geometry.first_block_of(number));
        let end = first + u64::from(geometry.blocks_in(number));
        let table = u64::from(group.inode_table);
        let table_end = table + u64::from(geometry.inode_table_blocks());
        let in_table = |block: u64| (table..table_end).contains(&block);
        let (blocks, inodes) = (u64::from(group.block_bitmap), u64::from(group.inode_bitmap));
        let backup_end = match geometry.has_superblock(number) {
            true => first + u64::from(geometry.copy_blocks()),
            false => first,
        };
        let sound = (backup_end..end).contains(&blocks)
            && (backup_end..end).contains(&inodes)
            && blocks != inodes
            && table >= backup_end
            && table_end <= end
            && !in_table(blocks)
            && !in_table(inodes)
            && u32::from(group.free_blocks) <= geometry.blocks_in(number)
            && u32::from(group.free_inodes) <= geometry.inodes_per_group;
        if sound {
            Ok(group)
        } else {
            Err(Corruption::GroupDescriptor)
        }
    }

    /// Whether blocks `first..end` include any of this group's own tables.
    fn overlaps(&self, number: u32, first: u32, end: u32, geometry: &Geometry) -> bool {
        let overlaps = |start: u32, length: u32| first < start + length && start < end;
        let backup = match geometry.has_superblock(number) {
            true => geometry.copy_blocks(),
            false => 0,
        };
        overlaps(self.block_bitmap, 1)
            || overlaps(self.inode_bitmap, 1)
            || overlaps(self.inode_table, geometry.inode_table_blocks())
            || overlaps(geometry.first_block_of(number), backup)
    }

    pub fn add_free_blocks(&mut self, count: u32) {
        self.free_blocks = saturate(u32::from(self.free_blocks) + count);
        self.changed = true;
    }

    pub fn take_free_blocks(&mut self, count: u32) {
        self.free_blocks = saturate(u32::from(self.free_blocks).saturating_sub(count));
        self.changed = true;
    }

    pub fn free_inode(&mut self, is_directory: bool) {
        self.free_inodes = self.free_inodes.saturating_add(1);
        self.directories = self.directories.saturating_sub(u16::from(is_directory));
        self.changed = true;
    }

    pub fn take_inode(&mut self, is_directory: bool) {
        self.free_inodes = self.free_inodes.saturating_sub(1);
        self.directories = self.directories.saturating_add(u16::from(is_directory));
        self.changed = true;
    }
}

impl Groups {
    pub fn with_capacity(groups: u32) -> Self {
        Self {
            list: Vec::with_capacity(groups as usize),
        }
    }

    /// Checks and appends the descriptors in `block`, as far as there are any.
    pub fn parse_block(&mut self, block: &[u8], geometry: &Geometry) -> Result<(), Corruption> {
        for bytes in block.chunks_exact(DESCRIPTOR_BYTES as usize) {
            let number = self.list.len() as u32;
            if number == geometry.groups {
                break;
            }
            self.list.push(Group::parse(bytes, number, geometry)?);
        }
        Ok(())
    }

    /// `number` is below the geometry's number of groups.
    pub fn get(&self, number: u32) -> &Group {
        &self.list[number as usize]
    }

    /// `number` is below the geometry's number of groups.
    pub fn get_mut(&mut self, number: u32) -> &mut Group {
        &mut self.list[number as usize]
    }

    pub fn free_blocks(&self) -> u32 {
        let counts = self.list.iter().map(|group| u32::from(group.free_blocks));
        counts.fold(0, u32::saturating_add)
    }

    pub fn free_inodes(&self) -> u32 {
        let counts = self.list.iter().map(|group| u32::from(group.free_inodes));
        counts.fold(0, u32::saturating_add)
    }

    /// Whether a descriptor among those of table block `index` has changed.
    pub fn has_changed(&self, index: u32, geometry: &Geometry) -> bool {
        self.of_table_block(index, geometry)
            .iter()
            .any(|group| group.changed)
    }

    /// Writes the counts into `block`, the table's block `index`.
    pub fn emit_block(&mut self, index: u32, block: &mut [u8], geometry: &Geometry) {
        let chunks = block.chunks_exact_mut(DESCRIPTOR_BYTES as usize);
        let (start, end) = self.range_of(index, geometry);
        for (group, bytes) in self.list[start..end].iter_mut().zip(chunks) {
            put_u16(bytes, FREE_BLOCKS, group.free_blocks);
            put_u16(bytes, FREE_INODES, group.free_inodes);
            put_u16(bytes, DIRECTORIES, group.directories);
            group.changed = false;
        }
    }

    fn of_table_block(&self, index: u32, geometry: &Geometry) -> &[Group] {
        let (start, end) = self.range_of(index, geometry);
        &self.list[start..end]
    }

    fn range_of(&self, index: u32, geometry: &Geometry) -> (usize, usize) {
        let per_block = (geometry.block_bytes / DESCRIPTOR_BYTES) as usize;
        let start = (index as usize * per_block).min(self.list.len());
        (start, (start + per_block).min(self.list.len()))
    }

    /// Whether any of `count` blocks from `first`, which lie inside the file
    /// system, belongs to the file system's own tables.
    pub fn touch_tables(&self, first: u32, count: u32, geometry: &Geometry) -> bool {
        let end = first.saturating_add(count).min(geometry.blocks_count);
        let last_group = geometry.group_of_block(end - 1);
        first < geometry.first_data_block
            || (geometry.group_of_block(first)..=last_group)
                .any(|number| self.get(number).overlaps(number, first, end, geometry))
    }
}

fn saturate(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
