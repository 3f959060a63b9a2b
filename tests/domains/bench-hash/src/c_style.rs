//! The table as C is written: one array, plain loops, 0 for an empty slot.

use alloc::boxed::Box;

use crate::{FNV_OFFSET, FNV_PRIME};

/// A key, 0 in an empty slot, and its value.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: u64,
    value: u64,
}

/// A map with a fixed number of slots.
#[derive(Debug)]
pub struct Table {
    slots: Box<[Slot]>,
}

/// FNV-1a of the key's bytes, lowest first.
#[inline]
#[must_use]
pub const fn fnv(mut key: u64) -> u64 {
    let mut hash = FNV_OFFSET;
    let mut byte = 0;
    while byte < 8 {
        hash ^= key & 0xff;
        hash = hash.wrapping_mul(FNV_PRIME);
        key >>= 8;
        byte += 1;
    }
    hash
}

impl Table {
    /// An empty table with `slots` slots, a power of two.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            slots: alloc::vec![Slot::default(); slots].into_boxed_slice(),
        }
    }

    /// Empties all slots.
    pub fn clear(&mut self) {
        self.slots.fill(Slot::default());
    }

    /// Sets the value of a key other than 0. There must be a free slot.
    #[inline(never)]
    pub fn set(&mut self, key: u64, value: u64) {
        // The mask comes from the length, so the compiler sees that no index
        // leaves the slice.
        let slots = &mut self.slots[..];
        let mask = slots.len().wrapping_sub(1);
        let mut index = fnv(key) as usize & mask;
        while let Some(slot) = slots.get_mut(index) {
            if slot.key == 0 || slot.key == key {
                *slot = Slot { key, value };
                return;
            }
            index = (index + 1) & mask;
        }
    }

    /// The value of a key other than 0.
    #[inline(never)]
    #[must_use]
    pub fn get(&self, key: u64) -> Option<u64> {
        let slots = &self.slots[..];
        let mask = slots.len().wrapping_sub(1);
        let mut index = fnv(key) as usize & mask;
        while let Some(slot) = slots.get(index) {
            if slot.key == key {
                return Some(slot.value);
            }
            if slot.key == 0 {
                return None;
            }
            index = (index + 1) & mask;
        }
        None
    }
}
