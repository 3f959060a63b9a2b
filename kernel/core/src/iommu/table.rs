//! Second-level tables (VT-d specification 4.1, chapter 9): a device's pages.
//!
//! Device addresses are physical addresses, so that an entry says only whether a page
//! is there, and whether the device may write to it. Entries are looked at without a
//! lock; whoever changes them holds that of [`super`]. Tables go as a whole.
//!
//! **Invariant:** an entry above the last level is never changed once it is there.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

const PAGE: u64 = abi::PAGE_SIZE as u64;
/// Bits of an address that a table's entries tell apart.
const BITS: u32 = 9;
/// Entries of a table.
pub const ENTRIES: usize = 1 << BITS;

mod bit {
    pub const READ: u64 = 1;
    pub const WRITE: u64 = 1 << 1;
    pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
}

/// What a device may do with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read it.
    Read,
    /// Read and write it.
    ReadWrite,
}

impl Access {
    const fn bits(self) -> u64 {
        match self {
            Self::Read => bit::READ,
            Self::ReadWrite => bit::READ | bit::WRITE,
        }
    }
}

/// Where entries of tables lie.
pub trait Entries {
    /// An entry of the table in `frame`.
    fn entry(&self, frame: u64, index: usize) -> &AtomicU64;
}

/// Where tables lie.
pub trait Memory: Entries {
    /// A frame of zeros for a table.
    fn allocate(&self) -> Option<u64>;
    /// Gives a frame of [`Self::allocate`] back.
    fn free(&self, frame: u64);
    /// Writes an entry so that devices see it.
    fn write(&self, entry: &AtomicU64, value: u64);
}

/// What became of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened {
    /// The device reaches it.
    Yes,
    /// It does so once it has forgotten that it may only read.
    OnceForgotten,
}

/// A tree of tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    /// Frame of the first one.
    pub root: u64,
    /// 3 or 4.
    pub levels: u32,
}

impl Table {
    /// A table without a page; `None`: no memory.
    pub fn new(memory: &impl Memory, levels: u32) -> Option<Self> {
        let root = memory.allocate()?;
        Some(Self { root, levels })
    }

    /// Whether the device may use the page of `address` so.
    #[inline]
    pub fn is_open(self, memory: &impl Entries, address: u64, access: Access) -> bool {
        let entry = self.leaf(memory, address).ok();
        let bits = entry.map_or(0, |entry| entry.load(Ordering::Relaxed));
        bits & access.bits() == access.bits()
    }

    /// Lets the device use the page of `address`; `None`: no memory, or the address is
    /// beyond what the table reaches.
    pub fn open(self, memory: &impl Memory, address: u64, access: Access) -> Option<Opened> {
        if address >> self.shift(self.levels) != 0 {
            return None;
        }
        let entry = loop {
            match self.leaf(memory, address) {
                Ok(entry) => break entry,
                Err(gap) => {
                    let frame = memory.allocate()?;
                    memory.write(gap.entry, frame | bit::READ | bit::WRITE);
                }
            }
        };
        let old = entry.load(Ordering::Relaxed);
        let new = address & bit::ADDRESS | old & bit::WRITE | access.bits();
        if new == old {
            return Some(Opened::Yes);
        }
        memory.write(entry, new);
        // What is not there is not remembered (without caching mode, section 6.1).
        let was_there = old & bit::READ != 0;
        Some(if was_there {
            Opened::OnceForgotten
        } else {
            Opened::Yes
        })
    }

    /// Takes pages away; whether there was one. The device may go by them until it has
    /// forgotten the table.
    pub fn close(self, memory: &impl Memory, pages: Range<u64>) -> bool {
        let mut was_there = false;
        let mut at = pages.start / PAGE * PAGE;
        while at < pages.end && at >> self.shift(self.levels) == 0 {
            match self.leaf(memory, at) {
                Ok(entry) => {
                    if entry.load(Ordering::Relaxed) != 0 {
                        memory.write(entry, 0);
                        was_there = true;
                    }
                    at += PAGE;
                }
                Err(gap) => {
                    let size = 1 << self.shift(gap.level - 1);
                    at = (at / size + 1) * size;
                }
            }
        }
        was_there
    }

    /// Gives all tables back; no device goes by them.
    pub fn free(self, memory: &impl Memory) {
        self.free_below(memory, self.root, self.levels);
    }

    fn free_below(self, memory: &impl Memory, frame: u64, level: u32) {
        for index in (0..ENTRIES).filter(|_| level > 1) {
            let entry = memory.entry(frame, index).load(Ordering::Relaxed);
            if entry != 0 {
                self.free_below(memory, entry & bit::ADDRESS, level - 1);
            }
        }
        memory.free(frame);
    }

    /// The entry of a page, or where the way to it ends.
    #[inline]
    fn leaf<M: Entries>(self, memory: &M, address: u64) -> Result<&AtomicU64, Gap<'_>> {
        let mut frame = self.root;
        let mut level = self.levels;
        loop {
            let index = (address >> self.shift(level - 1)) as usize % ENTRIES;
            let entry = memory.entry(frame, index);
            if level == 1 {
                return Ok(entry);
            }
            let next = entry.load(Ordering::Acquire);
            if next == 0 {
                return Err(Gap { entry, level });
            }
            frame = next & bit::ADDRESS;
            level -= 1;
        }
    }

    /// Bits of an address that tables of `level` and below tell apart.
    const fn shift(self, level: u32) -> u32 {
        12 + BITS * level
    }
}

/// An entry that points to no table.
struct Gap<'a> {
    entry: &'a AtomicU64,
    /// Level of its table; 1 is that of pages.
    level: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::{Cell, RefCell};
    use std::boxed::Box;
    use std::collections::BTreeMap;

    /// Tables numbered by their frames.
    #[derive(Default)]
    struct Model {
        tables: RefCell<BTreeMap<u64, &'static [AtomicU64; ENTRIES]>>,
        next: Cell<u64>,
        room: Cell<usize>,
    }

    impl Model {
        fn with_room(room: usize) -> Self {
            let model = Self::default();
            model.room.set(room);
            model
        }
    }

    impl Entries for Model {
        fn entry(&self, frame: u64, index: usize) -> &AtomicU64 {
            &self.tables.borrow()[&frame][index]
        }
    }

    impl Memory for Model {
        fn allocate(&self) -> Option<u64> {
            self.room.set(self.room.get().checked_sub(1)?);
            self.next.set(self.next.get() + PAGE);
            let table = Box::leak(Box::new([const { AtomicU64::new(0) }; ENTRIES]));
            self.tables.borrow_mut().insert(self.next.get(), table);
            Some(self.next.get())
        }

        fn free(&self, frame: u64) {
            let known = self.tables.borrow_mut().remove(&frame);
            assert!(known.is_some(), "frame {frame:#x} is no table");
            self.room.set(self.room.get() + 1);
        }

        fn write(&self, entry: &AtomicU64, value: u64) {
            entry.store(value, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_device_reaches_what_was_opened_and_nothing_beside_it() {
        for levels in [3, 4] {
            let model = Model::with_room(64);
            let table = Table::new(&model, levels).expect("room");
            let end = 1 << (12 + 9 * levels);
            for page in [0, PAGE, 0x20_0000, 0x4000_0000, end - PAGE] {
                let open = |access| table.is_open(&model, page, access);
                assert!(!open(Access::Read));
                let read = table.open(&model, page, Access::Read);
                assert_eq!(read, Some(Opened::Yes));
                assert!(open(Access::Read) && !open(Access::ReadWrite));
                let write = table.open(&model, page + 5, Access::ReadWrite);
                assert_eq!(write, Some(Opened::OnceForgotten));
                // Reading again takes nothing away.
                let again = table.open(&model, page, Access::Read);
                assert_eq!(again, Some(Opened::Yes));
                assert!(open(Access::ReadWrite));
            }
            assert!(!table.is_open(&model, 2 * PAGE, Access::Read));
            assert!(!table.is_open(&model, 0x20_0000 - PAGE, Access::Read));
            assert_eq!(table.open(&model, end, Access::Read), None);
            table.free(&model);
            assert_eq!(model.room.get(), 64);
        }
    }

    #[test]
    fn entries_lead_to_their_own_addresses() {
        let model = Model::with_room(8);
        let table = Table::new(&model, 3).expect("room");
        table
            .open(&model, 0x1234_5678, Access::ReadWrite)
            .expect("room");
        let entry = table
            .leaf(&model, 0x1234_5000)
            .map(|e| e.load(Ordering::Relaxed));
        assert_eq!(entry.ok(), Some(0x1234_5003));
    }

    #[test]
    fn closing_takes_just_the_pages_and_skips_what_was_never_there() {
        let model = Model::with_room(64);
        let table = Table::new(&model, 3).expect("room");
        let pages = [0, PAGE, 3 * PAGE, 0x1_0000_0000];
        for page in pages {
            table.open(&model, page, Access::ReadWrite).expect("room");
        }
        let is_open = || pages.map(|page| table.is_open(&model, page, Access::Read));
        assert!(table.close(&model, PAGE..2 * PAGE));
        assert_eq!(is_open(), [true, false, true, true]);
        assert!(!table.close(&model, PAGE..3 * PAGE));
        assert!(!table.close(&model, 0x20_0000..0x1_0000_0000));
        assert!(!table.close(&model, 0x1_0000_1000..u64::MAX));
        assert_eq!(is_open(), [true, false, true, true]);
        // A part of a page is all of it.
        assert!(table.close(&model, 3 * PAGE + 8..3 * PAGE + 9));
        assert!(table.close(&model, 4 * PAGE..u64::MAX));
        assert_eq!(is_open(), [true, false, false, false]);
    }

    #[test]
    fn without_memory_nothing_is_opened_and_nothing_lost() {
        for room in 1..4 {
            let model = Model::with_room(room);
            let table = Table::new(&model, 4).expect("room");
            assert_eq!(table.open(&model, PAGE, Access::Read), None);
            assert!(!table.is_open(&model, PAGE, Access::Read));
            table.free(&model);
            assert_eq!(model.room.get(), room);
        }
    }
}
