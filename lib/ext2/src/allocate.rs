//! Taking and giving back blocks and inodes, near what they belong to.

use crate::bitmap;
use crate::cache::Content;
use crate::error::{Corruption, Error};
use crate::outcome::Outcome;
use crate::superblock::ROOT_INODE;
use crate::{BlockStore, Clock, Ext2, InodeNumber};

/// From this many blocks on, a request is worth a byte-aligned free stretch.
const LONG_REQUEST: u32 = 8;

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// Takes 1 to `want` contiguous blocks, at or after `goal` if possible.
    pub(crate) fn allocate_blocks(&mut self, goal: u32, want: u32) -> Outcome<(u32, u32), S> {
        let geometry = self.superblock.geometry;
        let inside = (geometry.first_data_block..geometry.blocks_count).contains(&goal);
        let goal = if inside {
            goal
        } else {
            geometry.first_data_block
        };
        let home = geometry.group_of_block(goal);
        let from = goal - geometry.first_block_of(home);
        if let Some(run) = self.allocate_in_group(home, from, want)? {
            return Ok(run);
        }
        for step in 0..geometry.groups {
            let number = (home + step) % geometry.groups;
            if let Some(run) = self.allocate_in_group(number, 0, want)? {
                return Ok(run);
            }
        }
        Err(Error::NoSpace)
    }

    fn allocate_in_group(
        &mut self,
        number: u32,
        from: u32,
        want: u32,
    ) -> Outcome<Option<(u32, u32)>, S> {
        let geometry = self.superblock.geometry;
        let group = *self.groups.get(number);
        if group.free_blocks == 0 {
            return Ok(None);
        }
        let end = geometry.blocks_in(number);
        let map = self.cache.get(group.block_bitmap)?;
        let start = if from < end && !bitmap::is_set(map, from) {
            Some(from)
        } else if want >= LONG_REQUEST {
            bitmap::first_clear_byte(map, from, end).or_else(|| bitmap::first_clear(map, from, end))
        } else {
            bitmap::first_clear(map, from, end)
        };
        let Some(start) = start else { return Ok(None) };
        let count = bitmap::clear_run(map, start, end, want.max(1));
        let first = geometry.first_block_of(number) + start;
        if self.groups.touch_tables(first, count, &geometry) {
            return Err(Corruption::Bitmap.into());
        }
        let map = self.cache.get_mut(group.block_bitmap, Content::Metadata)?;
        bitmap::fill(map, start, count, true);
        self.groups.get_mut(number).take_free_blocks(count);
        Ok(Some((first, count)))
    }

    /// Gives back `count` contiguous blocks, dropping them from the cache.
    pub(crate) fn free_blocks(&mut self, first: u32, count: u32) -> Outcome<(), S> {
        let geometry = self.superblock.geometry;
        let inside = first > geometry.first_data_block
            && u64::from(first) + u64::from(count) <= u64::from(geometry.blocks_count);
        if count == 0 || !inside || self.groups.touch_tables(first, count, &geometry) {
            return Err(Corruption::BlockNumber.into());
        }
        self.cache.forget(first, count);
        let (mut block, end) = (first, first + count);
        while block < end {
            let number = geometry.group_of_block(block);
            let bit = block - geometry.first_block_of(number);
            let length = (end - block).min(geometry.blocks_per_group - bit);
            let bitmap_block = self.groups.get(number).block_bitmap;
            let map = self.cache.get_mut(bitmap_block, Content::Metadata)?;
            if (bit..bit + length).any(|bit| !bitmap::is_set(map, bit)) {
                return Err(Corruption::Bitmap.into());
            }
            bitmap::fill(map, bit, length, false);
            self.groups.get_mut(number).add_free_blocks(length);
            block += length;
        }
        Ok(())
    }

    /// Takes an inode for something in directory `parent`.
    pub(crate) fn allocate_inode(
        &mut self,
        parent: InodeNumber,
        is_directory: bool,
    ) -> Outcome<InodeNumber, S> {
        let groups = self.superblock.geometry.groups;
        let home = match is_directory {
            true => self.group_for_directory(parent),
            false => self.superblock.geometry.group_of_inode(parent),
        };
        for step in 0..groups {
            let number = (home + step) % groups;
            if let Some(inode) = self.allocate_inode_in_group(number, is_directory)? {
                return Ok(inode);
            }
        }
        Err(Error::NoSpace)
    }

    fn allocate_inode_in_group(
        &mut self,
        number: u32,
        is_directory: bool,
    ) -> Outcome<Option<InodeNumber>, S> {
        let geometry = self.superblock.geometry;
        let group = *self.groups.get(number);
        if group.free_inodes == 0 {
            return Ok(None);
        }
        let reserved = if number == 0 {
            geometry.first_inode - 1
        } else {
            0
        };
        let map = self.cache.get(group.inode_bitmap)?;
        let Some(bit) = bitmap::first_clear(map, reserved, geometry.inodes_per_group) else {
            return Ok(None);
        };
        let inode = number * geometry.inodes_per_group + bit + 1;
        let found = self.load_inode(inode)?;
        if found.links != 0 && found.dtime_s == 0 && found.mode != 0 {
            // In use, whatever the bitmap says.
            return Err(Corruption::Bitmap.into());
        }
        let map = self.cache.get_mut(group.inode_bitmap, Content::Metadata)?;
        bitmap::fill(map, bit, 1, true);
        self.groups.get_mut(number).take_inode(is_directory);
        Ok(Some(inode))
    }

    /// Gives back an ordinary inode's number.
    pub(crate) fn free_inode(&mut self, inode: InodeNumber, is_directory: bool) -> Outcome<(), S> {
        let geometry = &self.superblock.geometry;
        let number = geometry.group_of_inode(inode);
        let bit = (inode - 1) % geometry.inodes_per_group;
        let bitmap_block = self.groups.get(number).inode_bitmap;
        let map = self.cache.get_mut(bitmap_block, Content::Metadata)?;
        if !bitmap::is_set(map, bit) {
            return Err(Corruption::Bitmap.into());
        }
        bitmap::fill(map, bit, 1, false);
        self.groups.get_mut(number).free_inode(is_directory);
        Ok(())
    }

    /// Orlov's rule, simplified: directories of the root spread over groups
    /// with room to spare, others stay with their parent while it has room.
    fn group_for_directory(&self, parent: InodeNumber) -> u32 {
        let geometry = &self.superblock.geometry;
        let home = geometry.group_of_inode(parent);
        let average_inodes = self.groups.free_inodes() / geometry.groups;
        let average_blocks = self.groups.free_blocks() / geometry.groups;
        let roomy = |number: &u32| {
            let group = self.groups.get(*number);
            u32::from(group.free_inodes) >= average_inodes.max(1)
                && u32::from(group.free_blocks) >= average_blocks
        };
        let all = 0..geometry.groups;
        if parent == ROOT_INODE {
            let best = all
                .filter(roomy)
                .min_by_key(|number| self.groups.get(*number).directories);
            return best.unwrap_or(home);
        }
        let parent_group = self.groups.get(home);
        if u32::from(parent_group.free_inodes) > average_inodes / 4
            && u32::from(parent_group.free_blocks) > average_blocks / 4
        {
            return home;
        }
        all.map(|step| (home + step) % geometry.groups)
            .find(roomy)
            .unwrap_or(home)
    }
}
