//! In-memory indexes of directories: which block holds a name, which has room.
//!
//! An index is a hint that is complete: built by one walk over a directory of
//! several blocks, then kept up by every change. It makes N creations in one
//! directory cost N block scans instead of N². Losing it loses nothing.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::InodeNumber;

/// How many directories are indexed at a time.
const MAX_DIRECTORIES: usize = 16;

/// One directory's index.
pub(crate) struct Index {
    directory: InodeNumber,
    /// Hash of each name, and the directory's block that holds it.
    names: BTreeSet<(u32, u32)>,
    /// The largest gap of each block in bytes.
    gaps: Vec<u16>,
    /// Too large to index: the names are not all here.
    overflowed: bool,
}

/// The indexes of the directories used last, newest at the end.
pub(crate) struct Indexes {
    list: Vec<Index>,
    max_names: usize,
}

impl Index {
    pub fn new(directory: InodeNumber) -> Self {
        Self {
            directory,
            names: BTreeSet::new(),
            gaps: Vec::new(),
            overflowed: false,
        }
    }

    pub fn is_usable(&self) -> bool {
        !self.overflowed
    }

    pub fn add(&mut self, name: &[u8], block: u32) {
        self.names.insert((hash(name), block));
    }

    /// Forgets that `name` is in `block`. `still_there` tells whether another
    /// name of that block has the same hash.
    pub fn remove(&mut self, name: &[u8], block: u32, still_there: bool) {
        if !still_there {
            self.names.remove(&(hash(name), block));
        }
    }

    pub fn set_gap(&mut self, block: u32, bytes: usize) {
        let block = block as usize;
        if block >= self.gaps.len() {
            self.gaps.resize(block + 1, 0);
        }
        self.gaps[block] = u16::try_from(bytes).unwrap_or(u16::MAX);
    }

    /// The blocks that may hold `name`; none other does.
    pub fn candidates(&self, name: &[u8]) -> Vec<u32> {
        let hash = hash(name);
        self.names
            .range((hash, 0)..=(hash, u32::MAX))
            .map(|(_, block)| *block)
            .collect()
    }

    /// The first block with a gap of at least `bytes`.
    pub fn block_with_gap(&self, bytes: usize) -> Option<u32> {
        self.gaps
            .iter()
            .position(|gap| usize::from(*gap) >= bytes)
            .map(|block| block as u32)
    }
}

impl Indexes {
    /// `max_names` bounds the memory of all indexes together.
    pub fn new(max_names: usize) -> Self {
        Self {
            list: Vec::new(),
            max_names,
        }
    }

    /// The index of `directory`, if there is one, usable or overflowed.
    pub fn get(&mut self, directory: InodeNumber) -> Option<&mut Index> {
        let place = self
            .list
            .iter()
            .position(|index| index.directory == directory)?;
        if place + 1 != self.list.len() {
            let index = self.list.remove(place);
            self.list.push(index);
        }
        self.list.last_mut()
    }

    /// Keeps a new index, dropping the ones used longest ago to make room.
    pub fn keep(&mut self, index: Index) {
        self.forget(index.directory);
        self.list.push(index);
        self.enforce_limits();
    }

    /// Whether an index with this many names may still grow.
    pub fn has_room_for(&self, index: &Index) -> bool {
        index.names.len() < self.max_names
    }

    /// Marks an index as too large and frees its memory.
    pub fn overflow(mut index: Index) -> Index {
        index.names.clear();
        index.gaps.clear();
        index.overflowed = true;
        index
    }

    pub fn forget(&mut self, directory: InodeNumber) {
        self.list.retain(|index| index.directory != directory);
    }

    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// Drops the oldest indexes, and then names, beyond the limits.
    pub fn enforce_limits(&mut self) {
        while self.list.len() > MAX_DIRECTORIES {
            self.list.remove(0);
        }
        let total = |list: &[Index]| list.iter().map(|index| index.names.len()).sum::<usize>();
        while self.list.len() > 1 && total(&self.list) > self.max_names {
            self.list.remove(0);
        }
        if total(&self.list) > self.max_names
            && let Some(index) = self.list.pop()
        {
            self.list.push(Self::overflow(index));
        }
    }
}

/// Whether two names share a hash, and so an index entry if in one block.
pub(crate) fn same_hash(one: &[u8], other: &[u8]) -> bool {
    hash(one) == hash(other)
}

/// FNV-1a, 32 bits.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
