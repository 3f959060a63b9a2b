//! The block cache: write-back, bounded, contiguous blocks in one transfer.
//!
//! Data and metadata are told apart only so that data can reach the store
//! before the metadata that points to it.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use crate::error::Error;
use crate::store::BlockStore;

/// A write-back transfer is at most this long.
const RUN_BYTES: usize = 256 * 1024;
/// The least number of blocks: some for each kind of structure an operation uses.
const MIN_BLOCKS: usize = 8;

/// What a changed block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Data,
    Metadata,
}

struct Slot {
    block: u32,
    /// Used since the clock hand last passed.
    referenced: bool,
    changed: Option<Content>,
    bytes: Box<[u8]>,
}

pub(crate) struct Cache<S> {
    store: S,
    block_bytes: usize,
    sectors_per_block: u64,
    capacity: usize,
    slots: Vec<Slot>,
    vacant: Vec<usize>,
    index: BTreeMap<u32, usize>,
    changed_data: BTreeSet<u32>,
    changed_metadata: BTreeSet<u32>,
    hand: usize,
    staging: Vec<u8>,
    changes: u64,
    /// What is kept outside, when that is wanted.
    keeping: Option<Keeping>,
}

/// Which blocks are kept outside the cache, and which should be.
#[derive(Default)]
struct Keeping {
    /// Changed by the operation under way.
    unfinished: BTreeSet<u32>,
    /// Kept as the last finished operation left them.
    kept: BTreeSet<u32>,
    /// Kept no longer: written to the store, or freed.
    dropped: Vec<u32>,
}

impl Keeping {
    fn note_change(&mut self, block: u32) {
        self.unfinished.insert(block);
    }

    /// The block's changes are on the store, or nobody wants them any more.
    fn note_settled(&mut self, block: u32) {
        self.unfinished.remove(&block);
        if self.kept.remove(&block) {
            self.dropped.push(block);
        }
    }
}

type Outcome<T, S> = Result<T, Error<<S as BlockStore>::Error>>;

impl<S: BlockStore> Cache<S> {
    /// `block_bytes` is a multiple of the store's sector.
    pub fn new(store: S, block_bytes: u32, cache_bytes: usize) -> Self {
        let sectors_per_block = u64::from(block_bytes / store.sector_bytes());
        let block_bytes = block_bytes as usize;
        Self {
            store,
            block_bytes,
            sectors_per_block,
            capacity: (cache_bytes / block_bytes).max(MIN_BLOCKS),
            slots: Vec::new(),
            vacant: Vec::new(),
            index: BTreeMap::new(),
            changed_data: BTreeSet::new(),
            changed_metadata: BTreeSet::new(),
            hand: 0,
            staging: Vec::new(),
            changes: 0,
            keeping: None,
        }
    }

    pub fn into_store(self) -> S {
        self.store
    }

    /// Counts every metadata block handed out for change.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The contents of `block`.
    pub fn get(&mut self, block: u32) -> Outcome<&[u8], S> {
        let slot = self.load(block)?;
        Ok(&self.slots[slot].bytes)
    }

    /// The contents of `block`, about to be changed.
    pub fn get_mut(&mut self, block: u32, content: Content) -> Outcome<&mut [u8], S> {
        let slot = self.load(block)?;
        self.mark_changed(slot, content);
        Ok(&mut self.slots[slot].bytes)
    }

    /// `block` as all zeros, whatever the store holds, about to be filled.
    pub fn zeroed(&mut self, block: u32, content: Content) -> Outcome<&mut [u8], S> {
        let slot = match self.index.get(&block) {
            Some(slot) => *slot,
            None => {
                let slot = self.vacate()?;
                self.install(slot, block);
                slot
            }
        };
        self.mark_changed(slot, content);
        let bytes = &mut self.slots[slot].bytes;
        bytes.fill(0);
        Ok(bytes)
    }

    /// Reads whole contiguous blocks, straight into `into` where not cached.
    pub fn read_run(&mut self, first: u32, into: &mut [u8]) -> Outcome<(), S> {
        let end = first + (into.len() / self.block_bytes) as u32;
        let mut block = first;
        while block < end {
            let cached = self
                .index
                .range(block..end)
                .next()
                .map(|(block, slot)| (*block, *slot));
            let gap_end = cached.map_or(end, |(block, _)| block);
            let gap = self.span(first, block, gap_end);
            if !gap.is_empty() {
                let sector = self.sector_of(block);
                self.store.read(sector, &mut into[gap]).map_err(Error::Io)?;
            }
            block = gap_end;
            if let Some((_, slot)) = cached {
                let span = self.span(first, block, block + 1);
                into[span].copy_from_slice(&self.slots[slot].bytes);
                block += 1;
            }
        }
        Ok(())
    }

    /// Writes whole contiguous blocks of data straight to the store.
    pub fn write_run(&mut self, first: u32, from: &[u8]) -> Outcome<(), S> {
        self.forget(first, (from.len() / self.block_bytes) as u32);
        let sector = self.sector_of(first);
        self.store.write(sector, from).map_err(Error::Io)
    }

    /// Brings up to `count` contiguous blocks into the cache in one transfer.
    pub fn prefetch(&mut self, first: u32, count: u32) -> Outcome<(), S> {
        let limit = (self.capacity / 4).min(RUN_BYTES / self.block_bytes) as u32;
        let end = first + count.min(limit);
        let end = self
            .index
            .range(first..end)
            .next()
            .map_or(end, |(block, _)| *block);
        let length = (end - first) as usize * self.block_bytes;
        let mut staging = core::mem::take(&mut self.staging);
        staging.clear();
        staging.resize(length, 0);
        let result = self
            .store
            .read(self.sector_of(first), &mut staging)
            .map_err(Error::Io);
        let result = result.and_then(|()| {
            for (block, bytes) in (first..end).zip(staging.chunks_exact(self.block_bytes)) {
                let slot = self.vacate()?;
                self.slots[slot].bytes.copy_from_slice(bytes);
                self.install(slot, block);
            }
            Ok(())
        });
        // `vacate` may have staged a write-back of its own; keep the larger buffer.
        if staging.capacity() > self.staging.capacity() {
            self.staging = staging;
        }
        result
    }

    pub fn is_cached(&self, block: u32) -> bool {
        self.index.contains_key(&block)
    }

    /// Drops `count` blocks, changed or not: they were freed or overwritten.
    pub fn forget(&mut self, first: u32, count: u32) {
        while let Some((block, slot)) = self
            .index
            .range(first..first.saturating_add(count))
            .next()
            .map(|(b, s)| (*b, *s))
        {
            self.index.remove(&block);
            self.mark_settled(slot);
            self.vacant.push(slot);
        }
    }

    /// Writes the changed blocks of one kind, ascending, runs in one transfer.
    pub fn write_back(&mut self, content: Content) -> Outcome<(), S> {
        while let Some(first) = self.changed(content).first().copied() {
            let limit = (RUN_BYTES / self.block_bytes) as u32;
            let changed = self.changed(content).range(first..).copied();
            let run = changed
                .zip(first..)
                .take_while(|(block, next)| block == next);
            let count = run.take(limit as usize).count() as u32;
            self.write_blocks(first, count)?;
        }
        Ok(())
    }

    /// Writes the metadata that may be written while an operation is under way.
    /// What that one has changed may not if it is to be undone by a resumption,
    /// which takes unkept blocks from the store.
    fn write_back_finished_metadata(&mut self) -> Outcome<(), S> {
        let Some(keeping) = &self.keeping else {
            return self.write_back(Content::Metadata);
        };
        let finished = self.changed_metadata.difference(&keeping.unfinished);
        for block in finished.copied().collect::<Vec<u32>>() {
            self.write_now(block)?;
        }
        Ok(())
    }

    /// From now on, notes what [`Cache::finish_operation`] has to keep: first
    /// of all everything that is not on the store.
    pub fn keep_changes(&mut self) {
        let changed = self.changed_data.union(&self.changed_metadata);
        self.keeping = Some(Keeping {
            unfinished: changed.copied().collect(),
            ..Keeping::default()
        });
    }

    /// Whether an operation has left something to keep, or to drop.
    pub fn has_unkept(&self) -> bool {
        let keeping = self.keeping.as_ref();
        keeping.is_some_and(|keeping| !keeping.unfinished.is_empty() || !keeping.dropped.is_empty())
    }

    /// The blocks that need not be kept any longer.
    pub fn take_dropped(&mut self) -> Vec<u32> {
        let keeping = self.keeping.as_mut();
        keeping.map_or_else(Vec::new, |keeping| core::mem::take(&mut keeping.dropped))
    }

    /// The operation under way is finished: tells which blocks it has changed.
    pub fn finish_operation(&mut self, mut keep: impl FnMut(u32, Content, &[u8])) {
        let Some(keeping) = &mut self.keeping else {
            return;
        };
        for block in core::mem::take(&mut keeping.unfinished) {
            let slot = self.index.get(&block).map(|slot| &self.slots[*slot]);
            if let Some(slot) = slot
                && let Some(content) = slot.changed
            {
                keep(block, content, &slot.bytes);
                keeping.kept.insert(block);
            }
        }
    }

    /// Puts a block back as it is kept; `bytes` is one block long.
    pub fn restore(&mut self, block: u32, content: Content, bytes: &[u8]) -> Outcome<(), S> {
        let slot = match self.index.get(&block) {
            Some(slot) => *slot,
            None => {
                let slot = self.vacate()?;
                self.install(slot, block);
                slot
            }
        };
        self.slots[slot].bytes.copy_from_slice(bytes);
        self.mark_changed(slot, content);
        if let Some(keeping) = &mut self.keeping {
            keeping.unfinished.remove(&block);
            keeping.kept.insert(block);
        }
        Ok(())
    }

    /// Writes one block now; it is in the cache.
    pub fn write_now(&mut self, block: u32) -> Outcome<(), S> {
        self.write_blocks(block, 1)
    }

    pub fn flush(&mut self) -> Outcome<(), S> {
        self.store.flush().map_err(Error::Io)
    }

    fn write_blocks(&mut self, first: u32, count: u32) -> Outcome<(), S> {
        let sector = self.sector_of(first);
        let slots = self
            .index
            .range(first..first + count)
            .map(|(_, slot)| *slot);
        let slots: Vec<usize> = slots.collect();
        if let [slot] = slots[..] {
            self.store
                .write(sector, &self.slots[slot].bytes)
                .map_err(Error::Io)?;
        } else {
            self.staging.clear();
            for slot in &slots {
                self.staging.extend_from_slice(&self.slots[*slot].bytes);
            }
            self.store.write(sector, &self.staging).map_err(Error::Io)?;
        }
        for slot in slots {
            self.mark_settled(slot);
        }
        Ok(())
    }

    fn load(&mut self, block: u32) -> Outcome<usize, S> {
        if let Some(slot) = self.index.get(&block) {
            self.slots[*slot].referenced = true;
            return Ok(*slot);
        }
        let slot = self.vacate()?;
        let sector = self.sector_of(block);
        if let Err(error) = self.store.read(sector, &mut self.slots[slot].bytes) {
            self.vacant.push(slot);
            return Err(Error::Io(error));
        }
        self.install(slot, block);
        Ok(slot)
    }

    fn install(&mut self, slot: usize, block: u32) {
        self.index.insert(block, slot);
        self.slots[slot].block = block;
        self.slots[slot].referenced = true;
    }

    /// A slot that holds nothing: vacant, new, or taken from a clean block.
    fn vacate(&mut self) -> Outcome<usize, S> {
        if let Some(slot) = self.vacant.pop() {
            return Ok(slot);
        }
        if self.slots.len() < self.capacity {
            return Ok(self.add_slot());
        }
        // Keep at least half of the cache clean, so that the hand finds a block soon.
        if self.changed_blocks() > self.capacity / 2 {
            self.write_back(Content::Data)?;
            if self.changed_metadata.len() > self.capacity / 4 {
                self.write_back_finished_metadata()?;
            }
        }
        if self.changed_blocks() >= self.slots.len() {
            // One operation changes more than the cache holds.
            return Ok(self.add_slot());
        }
        loop {
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &mut self.slots[self.hand];
            if slot.changed.is_none() && !core::mem::take(&mut slot.referenced) {
                self.index.remove(&slot.block);
                return Ok(self.hand);
            }
        }
    }

    fn changed_blocks(&self) -> usize {
        self.changed_data.len() + self.changed_metadata.len()
    }

    fn add_slot(&mut self) -> usize {
        let bytes = vec![0; self.block_bytes].into_boxed_slice();
        self.slots.push(Slot {
            block: 0,
            referenced: false,
            changed: None,
            bytes,
        });
        self.slots.len() - 1
    }

    fn mark_changed(&mut self, slot: usize, content: Content) {
        if content == Content::Metadata {
            self.changes += 1;
        }
        let block = self.slots[slot].block;
        if let Some(keeping) = &mut self.keeping {
            keeping.note_change(block);
        }
        if self.slots[slot].changed != Some(content) {
            self.clear_changed(slot);
            self.slots[slot].changed = Some(content);
            self.changed(content).insert(block);
        }
    }

    /// The slot's changes are on the store, or not wanted any more.
    fn mark_settled(&mut self, slot: usize) {
        self.clear_changed(slot);
        let block = self.slots[slot].block;
        if let Some(keeping) = &mut self.keeping {
            keeping.note_settled(block);
        }
    }

    fn clear_changed(&mut self, slot: usize) {
        if let Some(content) = self.slots[slot].changed.take() {
            let block = self.slots[slot].block;
            self.changed(content).remove(&block);
        }
    }

    fn changed(&mut self, content: Content) -> &mut BTreeSet<u32> {
        match content {
            Content::Data => &mut self.changed_data,
            Content::Metadata => &mut self.changed_metadata,
        }
    }

    fn sector_of(&self, block: u32) -> u64 {
        u64::from(block) * self.sectors_per_block
    }

    /// The bytes of blocks `from..to` in a buffer that starts at `first`.
    fn span(&self, first: u32, from: u32, to: u32) -> core::ops::Range<usize> {
        (from - first) as usize * self.block_bytes..(to - first) as usize * self.block_bytes
    }
}
