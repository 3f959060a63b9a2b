//! Four-level page tables (Intel SDM volume 3A, section 4.5), in safe code.
//!
//! [`PageTable`] reaches its tables through [`FrameAccess`], so the same code
//! runs on the processor's tables and, in the tests, on a model of memory. It
//! maps 4 KiB and 2 MiB pages, splits the latter where a change begins or ends
//! inside one, and frees tables that become empty.
//!
//! **Invariant:** no table but the root is empty, no page is both writable and
//! executable, and a frame is given back only after the translation caches
//! have forgotten the way to it.

use core::ops::Range;

use crate::machine::{MapError, Permission};

/// Bytes of a small page and of a table.
const SMALL: usize = 4096;
/// Bytes of a large page.
const LARGE: usize = 2 << 20;
/// Entries of a table.
const ENTRIES: usize = 512;
/// Level of the root; level 1 holds small pages, level 2 large ones.
const ROOT_LEVEL: u32 = 4;
/// First address that is not canonical, and the first that is so again.
const HOLE: Range<usize> = 1 << 47..0xffff_8000_0000_0000;

/// Bits of an entry, SDM volume 3A, tables 4-15 to 4-20.
mod bit {
    /// The entry maps a page or points to a table.
    pub const PRESENT: u64 = 1;
    /// Writable.
    pub const WRITE: u64 = 1 << 1;
    /// A user-mode address, which is one that protection keys guard, in ring 0 too
    /// (SDM volume 3A, section 4.6.2). Nothing runs in another ring.
    pub const KEYED: u64 = 1 << 2;
    /// Where the protection key begins; 4 bits.
    pub const KEY_SHIFT: u32 = 59;
    /// Write-through and cache-disable: together PAT entry 3, uncacheable.
    pub const UNCACHED: u64 = 1 << 3 | 1 << 4;
    /// Accessed and dirty, set from the start: nobody reads them, and so the
    /// processor need not write them.
    pub const USED: u64 = 1 << 5 | 1 << 6;
    /// At level 2: the entry maps a large page.
    pub const LARGE: u64 = 1 << 7;
    /// Not executable.
    pub const NO_EXECUTE: u64 = 1 << 63;
    /// The physical address.
    pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
}

/// How a page table reaches physical memory and the translation caches.
pub trait FrameAccess {
    /// Takes a free frame for a table; contents do not matter.
    fn allocate(&mut self) -> Option<u64>;
    /// Gives a frame back.
    fn free(&mut self, frame: u64);
    /// Reads an entry of the table in `frame`.
    fn read(&self, frame: u64, index: usize) -> u64;
    /// Writes an entry of the table in `frame`, in one access.
    fn write(&mut self, frame: u64, index: usize, entry: u64);
    /// Writes neighbouring entries of the table in `frame`, each in one access; `entry`
    /// tells the new from the index and the old. Where a table is writable only for a
    /// moment this is one moment, in which nothing but `entry` runs.
    fn write_each(&mut self, frame: u64, indices: Range<usize>, entry: impl Fn(usize, u64) -> u64) {
        for index in indices {
            let old = self.read(frame, index);
            self.write(frame, index, entry(index, old));
        }
    }
    /// Makes every CPU forget its translations of `range` and all cached
    /// pointers to tables.
    fn invalidate(&mut self, range: Range<usize>);
}

/// The largest page a mapping may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageSize {
    /// 4 KiB.
    Small,
    /// 2 MiB.
    Large,
}

/// A tree of page tables.
#[derive(Debug)]
pub struct PageTable<A> {
    root: u64,
    access: A,
}

impl<A: FrameAccess> PageTable<A> {
    /// An empty address space; `None` without a frame for the root.
    pub fn new(mut access: A) -> Option<Self> {
        let root = new_table(&mut access)?;
        Some(Self { root, access })
    }

    /// Physical address of the root, for the processor.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// What stands behind the tables.
    pub fn access(&mut self) -> &mut A {
        &mut self.access
    }

    /// Maps `length` bytes of physical memory from `frame` on at `at`.
    ///
    /// # Errors
    /// `BadRange` if an address is unaligned or not canonical, or a page there
    /// is mapped already; `NoMemory`. Nothing has changed then.
    pub fn map(
        &mut self,
        at: usize,
        frame: u64,
        length: usize,
        permission: Permission,
        largest: PageSize,
    ) -> Result<(), MapError> {
        let range = checked(at, length)?;
        if frame & !bit::ADDRESS != 0 || !self.is_free(self.root, ROOT_LEVEL, range.clone()) {
            return Err(MapError::BadRange);
        }
        let offset = frame.wrapping_sub(at as u64);
        let leaf = Leaf {
            offset,
            bits: encode(permission),
            largest,
        };
        let filled = self.fill(self.root, ROOT_LEVEL, range.clone(), &leaf);
        if filled.is_err() {
            self.remove(range);
        }
        filled
    }

    /// Removes what is mapped in `length` bytes from `at` on; holes are allowed.
    ///
    /// # Errors
    /// `BadRange` if an address is unaligned or not canonical; `NoMemory` if a
    /// large page had to be split and could not. Nothing has changed then. A
    /// range whose ends lie on borders of mappings needs no memory.
    pub fn unmap(&mut self, at: usize, length: usize) -> Result<(), MapError> {
        let range = checked(at, length)?;
        self.split(range.start)?;
        self.split(range.end)?;
        self.remove(range);
        Ok(())
    }

    /// Changes the permission of `length` bytes from `at` on.
    ///
    /// # Errors
    /// As [`Self::unmap`]; `BadRange` also if a page there is not mapped.
    pub fn protect(
        &mut self,
        at: usize,
        length: usize,
        permission: Permission,
    ) -> Result<(), MapError> {
        let range = checked(at, length)?;
        if !self.is_full(self.root, ROOT_LEVEL, range.clone()) {
            return Err(MapError::BadRange);
        }
        self.split(range.start)?;
        self.split(range.end)?;
        self.set(self.root, ROOT_LEVEL, range.clone(), encode(permission));
        self.access.invalidate(range);
        Ok(())
    }

    /// The physical address behind `at`, and what may be done there.
    pub fn translate(&self, at: usize) -> Option<(u64, Permission)> {
        checked(at & !(SMALL - 1), SMALL).ok()?;
        let mut table = self.root;
        for level in (1..=ROOT_LEVEL).rev() {
            let entry = self.access.read(table, index(level, at));
            if entry & bit::PRESENT == 0 {
                return None;
            }
            if is_leaf(level, entry) {
                let inside = (at & (span(level) - 1)) as u64;
                return Some(((entry & bit::ADDRESS) + inside, decode(entry)));
            }
            table = entry & bit::ADDRESS;
        }
        None
    }

    fn is_free(&self, table: u64, level: u32, range: Range<usize>) -> bool {
        chunks(level, range).all(|(index, part)| {
            let entry = self.access.read(table, index);
            entry & bit::PRESENT == 0
                || !is_leaf(level, entry) && self.is_free(entry & bit::ADDRESS, level - 1, part)
        })
    }

    fn is_full(&self, table: u64, level: u32, range: Range<usize>) -> bool {
        chunks(level, range).all(|(index, part)| {
            let entry = self.access.read(table, index);
            entry & bit::PRESENT != 0
                && (is_leaf(level, entry) || self.is_full(entry & bit::ADDRESS, level - 1, part))
        })
    }

    /// Maps a range that is free. On an error a part of it is mapped, and the
    /// last table made may be empty.
    fn fill(
        &mut self,
        table: u64,
        level: u32,
        range: Range<usize>,
        leaf: &Leaf,
    ) -> Result<(), MapError> {
        if level == 1 {
            let (first, frame) = (index(1, range.start), leaf.frame(range.start));
            self.access.write_each(table, indices(&range), |index, _| {
                (frame + ((index - first) * SMALL) as u64) | leaf.bits
            });
            return Ok(());
        }
        for (index, part) in chunks(level, range) {
            let entry = self.access.read(table, index);
            let frame = leaf.frame(part.start);
            if level == 2 && entry == 0 && leaf.may_be_large(&part, frame) {
                self.access
                    .write(table, index, frame | leaf.bits | bit::LARGE);
            } else {
                let child = if entry == 0 {
                    let child = new_table(&mut self.access).ok_or(MapError::NoMemory)?;
                    self.access.write(table, index, pointer(child));
                    child
                } else {
                    entry & bit::ADDRESS
                };
                self.fill(child, level - 1, part, leaf)?;
            }
        }
        Ok(())
    }

    /// Makes `at` a border between pages. Translations stay the same.
    fn split(&mut self, at: usize) -> Result<(), MapError> {
        if at.is_multiple_of(LARGE) {
            return Ok(());
        }
        let mut table = self.root;
        for level in (2..=ROOT_LEVEL).rev() {
            let slot = index(level, at);
            let entry = self.access.read(table, slot);
            if entry & bit::PRESENT == 0 {
                return Ok(());
            }
            if is_leaf(level, entry) {
                let child = self.access.allocate().ok_or(MapError::NoMemory)?;
                self.access.write_each(child, 0..ENTRIES, |index, _| {
                    (entry & !bit::LARGE) + (index * SMALL) as u64
                });
                self.access.write(table, slot, pointer(child));
                let start = at & !(LARGE - 1);
                self.access.invalidate(start..start + LARGE);
                return Ok(());
            }
            table = entry & bit::ADDRESS;
        }
        Ok(())
    }

    /// Unmaps a range whose ends are borders between pages.
    fn remove(&mut self, range: Range<usize>) {
        let mut unlinked = 0;
        self.clear(self.root, ROOT_LEVEL, range.clone(), &mut unlinked);
        self.access.invalidate(range);
        while unlinked != 0 {
            let next = self.access.read(unlinked, 0);
            self.access.free(unlinked);
            unlinked = next;
        }
    }

    /// Clears entries and unlinks the tables that become empty: they form a
    /// list through their first entry, which a processor that still knows the
    /// table reads as "not present" because a frame's address is even.
    fn clear(&mut self, table: u64, level: u32, range: Range<usize>, unlinked: &mut u64) {
        if level == 1 {
            return self.access.write_each(table, indices(&range), |_, _| 0);
        }
        for (index, part) in chunks(level, range) {
            let entry = self.access.read(table, index);
            if entry & bit::PRESENT == 0 {
                continue;
            }
            if is_leaf(level, entry) {
                self.access.write(table, index, 0);
                continue;
            }
            let child = entry & bit::ADDRESS;
            self.clear(child, level - 1, part, unlinked);
            if (0..ENTRIES).all(|index| self.access.read(child, index) == 0) {
                self.access.write(table, index, 0);
                self.access.write(child, 0, *unlinked);
                *unlinked = child;
            }
        }
    }

    fn set(&mut self, table: u64, level: u32, range: Range<usize>, bits: u64) {
        if level == 1 {
            return self
                .access
                .write_each(table, indices(&range), |_, old| old & bit::ADDRESS | bits);
        }
        for (index, part) in chunks(level, range) {
            let entry = self.access.read(table, index);
            if is_leaf(level, entry) {
                let leaf = entry & bit::ADDRESS | bits | bit::LARGE;
                self.access.write(table, index, leaf);
            } else {
                self.set(entry & bit::ADDRESS, level - 1, part, bits);
            }
        }
    }
}

/// What [`PageTable::fill`] writes.
struct Leaf {
    /// Physical minus virtual address.
    offset: u64,
    bits: u64,
    largest: PageSize,
}

impl Leaf {
    fn frame(&self, at: usize) -> u64 {
        self.offset.wrapping_add(at as u64)
    }

    fn may_be_large(&self, part: &Range<usize>, frame: u64) -> bool {
        self.largest == PageSize::Large && part.len() == LARGE && frame.is_multiple_of(LARGE as u64)
    }
}

fn new_table<A: FrameAccess>(access: &mut A) -> Option<u64> {
    let frame = access.allocate()?;
    access.write_each(frame, 0..ENTRIES, |_, _| 0);
    Some(frame)
}

/// The range as `start..end` if it consists of whole pages in one half of the
/// address space. The very last page is left out, so that `end` exists.
fn checked(at: usize, length: usize) -> Result<Range<usize>, MapError> {
    let end = at.checked_add(length).ok_or(MapError::BadRange)?;
    let aligned = at.is_multiple_of(SMALL) && length.is_multiple_of(SMALL);
    if aligned && (end <= HOLE.start || at >= HOLE.end) {
        Ok(at..end)
    } else {
        Err(MapError::BadRange)
    }
}

/// Bytes that one entry of a table of this level covers.
fn span(level: u32) -> usize {
    SMALL << (9 * (level - 1))
}

fn index(level: u32, at: usize) -> usize {
    at / span(level) % ENTRIES
}

/// The entries of a table of level 1 that a range within it has.
fn indices(range: &Range<usize>) -> Range<usize> {
    let first = index(1, range.start);
    first..first + range.len() / SMALL
}

/// Divides a range by the entries of a table of this level.
fn chunks(level: u32, range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut at = range.start;
    core::iter::from_fn(move || {
        let start = at;
        if start >= range.end {
            return None;
        }
        let last = start | (span(level) - 1);
        at = if last < range.end {
            last + 1
        } else {
            range.end
        };
        Some((index(level, start), start..at))
    })
}

fn is_leaf(level: u32, entry: u64) -> bool {
    level == 1 || level == 2 && entry & bit::LARGE != 0
}

/// The entry that leads to a table; the leaves restrict what may be done.
fn pointer(table: u64) -> u64 {
    table | bit::PRESENT | bit::WRITE | bit::KEYED | bit::USED
}

fn encode(permission: Permission) -> u64 {
    bit::PRESENT
        | bit::USED
        | match permission {
            Permission::Read => bit::NO_EXECUTE,
            Permission::ReadWrite => bit::NO_EXECUTE | bit::WRITE,
            Permission::ReadExecute => 0,
            Permission::Device => bit::NO_EXECUTE | bit::WRITE | bit::UNCACHED,
            Permission::Keyed(key) => {
                bit::NO_EXECUTE | bit::WRITE | bit::KEYED | u64::from(key & 15) << bit::KEY_SHIFT
            }
        }
}

fn decode(entry: u64) -> Permission {
    if entry & bit::UNCACHED != 0 {
        Permission::Device
    } else if entry & bit::KEYED != 0 {
        Permission::Keyed((entry >> bit::KEY_SHIFT & 15) as u8)
    } else if entry & bit::WRITE != 0 {
        Permission::ReadWrite
    } else if entry & bit::NO_EXECUTE != 0 {
        Permission::Read
    } else {
        Permission::ReadExecute
    }
}

#[cfg(test)]
#[path = "page_table_tests.rs"]
mod tests;
