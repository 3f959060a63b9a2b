//! The block map: from a file's blocks to the store's, up to triple indirect.

use crate::bytes::{put_u32, u32_at};
use crate::cache::Content;
use crate::error::{Corruption, Error};
use crate::inode::Inode;
use crate::outcome::Outcome;
use crate::superblock::Geometry;
use crate::{BlockStore, Clock, Ext2};

/// Pointers in the inode that lead to data directly.
pub(crate) const DIRECT: u32 = 12;
/// Levels of indirection.
pub(crate) const LEVELS: u32 = 3;

/// Some contiguous blocks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// `count` blocks that were never written and read as zeros.
    Hole { count: u32 },
    /// `count` blocks from `first` on.
    Mapped { first: u32, count: u32 },
}

/// How to reach one block of a file from its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Path {
    /// The pointer in the inode.
    root: usize,
    /// How many indirect blocks lie between.
    levels: u32,
    /// The pointer's index in each of them.
    indices: [u32; LEVELS as usize],
}

/// How many blocks of a file `levels` of indirection reach.
pub(crate) fn reach(levels: u32, geometry: &Geometry) -> u64 {
    u64::from(geometry.pointers_per_block()).pow(levels)
}

impl Path {
    /// The way to block `logical`, or `None` beyond the map's end.
    fn to(logical: u64, geometry: &Geometry) -> Option<Self> {
        if logical < u64::from(DIRECT) {
            return Some(Self {
                root: logical as usize,
                levels: 0,
                indices: [0; 3],
            });
        }
        let mut rest = logical - u64::from(DIRECT);
        for levels in 1..=LEVELS {
            if rest < reach(levels, geometry) {
                let mut indices = [0; 3];
                for level in 0..levels {
                    let below = reach(levels - level - 1, geometry);
                    indices[level as usize] = (rest / below) as u32;
                    rest %= below;
                }
                return Some(Self {
                    root: (DIRECT + levels - 1) as usize,
                    levels,
                    indices,
                });
            }
            rest -= reach(levels, geometry);
        }
        None
    }

    /// Pointers from this one to the end of its array.
    fn pointers_left(&self, geometry: &Geometry) -> u32 {
        match self.levels {
            0 => DIRECT - self.root as u32,
            levels => geometry.pointers_per_block() - self.indices[levels as usize - 1],
        }
    }
}

impl<S: BlockStore, C: Clock> Ext2<S, C> {
    /// The largest size that a regular file can have, in bytes.
    pub(crate) fn max_file_bytes(&self) -> u64 {
        let geometry = &self.superblock.geometry;
        let indirect: u64 = (1..=LEVELS).map(|levels| reach(levels, geometry)).sum();
        (u64::from(DIRECT) + indirect) * u64::from(geometry.block_bytes)
    }

    /// The longest run from block `logical` on, of at most `limit` blocks.
    pub(crate) fn map(&mut self, inode: &Inode, logical: u64, limit: u32) -> Outcome<Run, S> {
        let geometry = self.superblock.geometry;
        let path = Path::to(logical, &geometry).ok_or(Error::FileTooLarge)?;
        let limit = limit.max(1);
        if path.levels == 0 {
            let count = limit.min(path.pointers_left(&geometry)) as usize;
            let pointers = inode.pointers[path.root..path.root + count].iter().copied();
            return checked_run(pointers, &geometry).map_err(Error::Corrupt);
        }
        let mut table = inode.pointers[path.root];
        for level in 0..path.levels {
            if table == 0 {
                // Nothing beneath this pointer: a hole to the end of what it could reach.
                let span = reach(path.levels - level, &geometry);
                let start = (logical - first_of(path.levels, &geometry)) % span;
                let count = (span - start).min(u64::from(limit)) as u32;
                return Ok(Run::Hole { count });
            }
            check_block(table, &geometry)?;
            let index = path.indices[level as usize];
            if level + 1 < path.levels {
                table = u32_at(self.cache.get(table)?, index as usize * 4);
            }
        }
        let index = path.indices[path.levels as usize - 1];
        let count = limit.min(path.pointers_left(&geometry));
        let bytes = self.cache.get(table)?;
        let pointers = (index..index + count).map(|index| u32_at(bytes, index as usize * 4));
        checked_run(pointers, &geometry).map_err(Error::Corrupt)
    }

    /// The run from `logical` on, allocated if it is a hole. The flag tells
    /// whether the blocks are fresh, with contents that mean nothing.
    pub(crate) fn map_or_allocate(
        &mut self,
        inode: &mut Inode,
        logical: u64,
        limit: u32,
    ) -> Outcome<(u32, u32, bool), S> {
        let hole = match self.map(inode, logical, limit)? {
            Run::Mapped { first, count } => {
                if self
                    .groups
                    .touch_tables(first, count, &self.superblock.geometry)
                {
                    return Err(Corruption::BlockNumber.into());
                }
                return Ok((first, count, false));
            }
            Run::Hole { count } => count,
        };
        let geometry = self.superblock.geometry;
        let path = Path::to(logical, &geometry).ok_or(Error::FileTooLarge)?;
        let want = hole.min(limit.max(1)).min(path.pointers_left(&geometry));
        let room = (u32::MAX - inode.sectors) / geometry.sectors_512_per_block();
        if room <= want + LEVELS {
            return Err(Error::FileTooLarge);
        }
        let mut goal = self.goal(inode, logical)?;
        let table = self.allocate_tables(inode, &path, &mut goal)?;
        let (first, count) = self.allocate_blocks(goal, want)?;
        inode.add_blocks(count, &geometry);
        match table {
            None => {
                for (slot, block) in inode.pointers[path.root..]
                    .iter_mut()
                    .zip(first..first + count)
                {
                    *slot = block;
                }
            }
            Some(table) => {
                let index = path.indices[path.levels as usize - 1] as usize;
                let bytes = self.cache.get_mut(table, Content::Metadata)?;
                for (slot, block) in (index..).zip(first..first + count) {
                    put_u32(bytes, slot * 4, block);
                }
            }
        }
        Ok((first, count, true))
    }

    /// Makes the missing indirect blocks of `path`; returns the last one.
    fn allocate_tables(
        &mut self,
        inode: &mut Inode,
        path: &Path,
        goal: &mut u32,
    ) -> Outcome<Option<u32>, S> {
        let geometry = self.superblock.geometry;
        let mut parent: Option<(u32, usize)> = None;
        for level in 0..path.levels {
            let pointer = match parent {
                None => inode.pointers[path.root],
                Some((block, index)) => u32_at(self.cache.get(block)?, index * 4),
            };
            let table = if pointer == 0 {
                let (table, _) = self.allocate_blocks(*goal, 1)?;
                *goal = table + 1;
                inode.add_blocks(1, &geometry);
                self.cache.zeroed(table, Content::Metadata)?;
                match parent {
                    None => inode.pointers[path.root] = table,
                    Some((block, index)) => {
                        put_u32(
                            self.cache.get_mut(block, Content::Metadata)?,
                            index * 4,
                            table,
                        );
                    }
                }
                table
            } else {
                check_block(pointer, &geometry)?;
                pointer
            };
            parent = Some((table, path.indices[level as usize] as usize));
        }
        Ok(parent.map(|(table, _)| table))
    }

    /// Where block `logical` would best lie: after the one before it.
    fn goal(&mut self, inode: &Inode, logical: u64) -> Outcome<u32, S> {
        if let Some(previous) = logical.checked_sub(1)
            && let Run::Mapped { first, .. } = self.map(inode, previous, 1)?
        {
            return Ok(first + 1);
        }
        let geometry = &self.superblock.geometry;
        Ok(geometry.first_block_of(geometry.group_of_inode(inode.number)))
    }
}

/// A block number from the image that may be read: inside the file system.
pub(crate) fn check_block(block: u32, geometry: &Geometry) -> Result<(), Corruption> {
    match (geometry.first_data_block + 1..geometry.blocks_count).contains(&block) {
        true => Ok(()),
        false => Err(Corruption::BlockNumber),
    }
}

/// The file's first block that `levels` of indirection reach.
pub(crate) fn first_of(levels: u32, geometry: &Geometry) -> u64 {
    u64::from(DIRECT)
        + (1..levels)
            .map(|levels| reach(levels, geometry))
            .sum::<u64>()
}

fn checked_run(
    mut pointers: impl Iterator<Item = u32>,
    geometry: &Geometry,
) -> Result<Run, Corruption> {
    let first = pointers.next().unwrap_or(0);
    if first == 0 {
        let count = 1 + pointers.take_while(|pointer| *pointer == 0).count() as u32;
        return Ok(Run::Hole { count });
    }
    check_block(first, geometry)?;
    let follows = pointers.zip(first + 1..geometry.blocks_count);
    let count = 1 + follows
        .take_while(|(pointer, next)| pointer == next)
        .count() as u32;
    Ok(Run::Mapped { first, count })
}
