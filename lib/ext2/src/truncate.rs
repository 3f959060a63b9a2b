//! Changing a file's size, and giving back the blocks behind it.

use alloc::vec::Vec;

use crate::bytes::{put_u32, u32_at};
use crate::cache::Content;
use crate::error::{Corruption, Error};
use crate::inode::Inode;
use crate::map::{DIRECT, LEVELS, check_block, first_of, reach};
use crate::outcome::Outcome;
use crate::{BlockStore, Clock, Ext2, InodeNumber};

/// Freed blocks, gathered so that contiguous ones are given back together.
#[derive(Default)]
struct Freed {
    first: u32,
    count: u32,
    total: u32,
}

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// Sets a regular file's size: the end is cut off, or reads as zeros.
    pub fn truncate(&mut self, file: InodeNumber, size: u64) -> Outcome<(), S> {
        let mut inode = self.regular_file(file)?;
        if size > self.max_file_bytes() {
            return Err(Error::FileTooLarge);
        }
        if size < inode.size {
            let block_bytes = u64::from(self.superblock.geometry.block_bytes);
            self.prepare_to_free(&inode, size.div_ceil(block_bytes))?;
        }
        self.modify(|fs| {
            fs.zero_tail(&inode, size.min(inode.size))?;
            if size < inode.size {
                inode.size = size;
                let block_bytes = u64::from(fs.superblock.geometry.block_bytes);
                let result = fs.free_from(&mut inode, size.div_ceil(block_bytes));
                fs.store_inode(&inode)?;
                result?;
            }
            fs.extend_to(&mut inode, size);
            inode.mtime_s = fs.clock.now_s();
            inode.ctime_s = inode.mtime_s;
            fs.store_inode(&inode)
        })
    }

    /// Reads what [`free_from`](Ext2::free_from) needs, so that a store that
    /// cannot be read fails before anything is changed. What is damaged is left
    /// to that one to find.
    pub(crate) fn prepare_to_free(&mut self, inode: &Inode, logical: u64) -> Outcome<(), S> {
        if !inode.has_block_map(&self.superblock.geometry) {
            return Ok(());
        }
        match self.read_pointers(inode, logical) {
            Err(error @ Error::Io(_)) => Err(error),
            _ => Ok(()),
        }
    }

    fn read_pointers(&mut self, inode: &Inode, logical: u64) -> Outcome<(), S> {
        // A map that leads in circles has more than there is.
        let mut left = self.superblock.geometry.blocks_count;
        for index in logical.min(u64::from(DIRECT)) as usize..DIRECT as usize {
            self.read_bitmap_of(inode.pointers[index], &mut left)?;
        }
        for levels in 1..=LEVELS {
            let first = first_of(levels, &self.superblock.geometry);
            let keep = logical.saturating_sub(first);
            let table = inode.pointers[(DIRECT + levels - 1) as usize];
            if table != 0 && keep < reach(levels, &self.superblock.geometry) {
                self.read_table(table, levels, keep, &mut left)?;
            }
        }
        Ok(())
    }

    /// As [`free_table`](Ext2::free_table), but changes nothing.
    fn read_table(&mut self, table: u32, levels: u32, keep: u64, left: &mut u32) -> Outcome<(), S> {
        check_block(table, &self.superblock.geometry)?;
        self.read_bitmap_of(table, left)?;
        for (pointer, keep_below) in self.dropped_pointers(table, levels, keep)? {
            match levels {
                1 => self.read_bitmap_of(pointer, left)?,
                _ => self.read_table(pointer, levels - 1, keep_below, left)?,
            }
        }
        Ok(())
    }

    /// Where an indirect block leads to beyond its first `keep` blocks, and how
    /// many of each way's blocks are kept.
    fn dropped_pointers(
        &mut self,
        table: u32,
        levels: u32,
        keep: u64,
    ) -> Outcome<Vec<(u32, u64)>, S> {
        let below = reach(levels - 1, &self.superblock.geometry);
        let pointers = self.cache.get(table)?.chunks_exact(4);
        let ways = pointers.enumerate().map(|(index, bytes)| {
            let keep_below = keep.saturating_sub(index as u64 * below);
            (u32_at(bytes, 0), keep_below)
        });
        let is_dropped = |way: &(u32, u64)| way.0 != 0 && way.1 < below;
        Ok(ways.filter(is_dropped).collect())
    }

    fn read_bitmap_of(&mut self, block: u32, left: &mut u32) -> Outcome<(), S> {
        if block == 0 {
            return Ok(());
        }
        let geometry = self.superblock.geometry;
        check_block(block, &geometry)?;
        *left = left.checked_sub(1).ok_or(Corruption::BlockNumber)?;
        let group = geometry.group_of_block(block);
        let bitmap = self.groups.get(group).block_bitmap;
        self.cache.get(bitmap).map(drop)
    }

    /// Frees every block from `logical` on; the caller stores the inode.
    pub(crate) fn free_from(&mut self, inode: &mut Inode, logical: u64) -> Outcome<(), S> {
        let mut freed = Freed::default();
        let result = self.free_pointers(inode, logical, &mut freed);
        let result = result.and_then(|()| self.give_back(&mut freed));
        let geometry = self.superblock.geometry;
        inode.remove_blocks(freed.total, &geometry);
        result
    }

    fn free_pointers(
        &mut self,
        inode: &mut Inode,
        logical: u64,
        freed: &mut Freed,
    ) -> Outcome<(), S> {
        for index in logical.min(u64::from(DIRECT)) as usize..DIRECT as usize {
            let block = core::mem::take(&mut inode.pointers[index]);
            if block != 0 {
                self.free_one(block, freed)?;
            }
        }
        for levels in 1..=LEVELS {
            let first = first_of(levels, &self.superblock.geometry);
            let keep = logical.saturating_sub(first);
            let root = (DIRECT + levels - 1) as usize;
            let table = inode.pointers[root];
            if table == 0 || keep >= reach(levels, &self.superblock.geometry) {
                continue;
            }
            if keep == 0 {
                inode.pointers[root] = 0;
            }
            self.free_table(table, levels, keep, freed)?;
        }
        Ok(())
    }

    /// Frees what an indirect block leads to except its first `keep` blocks,
    /// and the block itself if nothing is kept. Recursion ends at three levels.
    fn free_table(
        &mut self,
        table: u32,
        levels: u32,
        keep: u64,
        freed: &mut Freed,
    ) -> Outcome<(), S> {
        check_block(table, &self.superblock.geometry)?;
        let dropped = self.dropped_pointers(table, levels, keep)?;
        if keep > 0 {
            let below = reach(levels - 1, &self.superblock.geometry);
            let first_dropped = keep.div_ceil(below) as usize;
            let bytes = self.cache.get_mut(table, Content::Metadata)?;
            for index in first_dropped..bytes.len() / 4 {
                put_u32(bytes, index * 4, 0);
            }
        }
        for (pointer, keep_below) in dropped {
            match levels {
                1 => self.free_one(pointer, freed)?,
                _ => self.free_table(pointer, levels - 1, keep_below, freed)?,
            }
        }
        if keep == 0 {
            self.free_one(table, freed)
        } else {
            Ok(())
        }
    }

    fn free_one(&mut self, block: u32, freed: &mut Freed) -> Outcome<(), S> {
        if freed.count > 0 && block == freed.first.saturating_add(freed.count) {
            freed.count += 1;
            return Ok(());
        }
        self.give_back(freed)?;
        freed.first = block;
        freed.count = 1;
        Ok(())
    }

    fn give_back(&mut self, freed: &mut Freed) -> Outcome<(), S> {
        let count = core::mem::take(&mut freed.count);
        if count > 0 {
            self.free_blocks(freed.first, count)?;
            freed.total += count;
        }
        Ok(())
    }
}
