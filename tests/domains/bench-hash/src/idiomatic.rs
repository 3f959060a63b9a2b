//! The table as Rust is written: generic, options, iterators.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash, Hasher};

use crate::{FNV_OFFSET, FNV_PRIME};

/// Makes [`FnvHasher`]s.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fnv;

/// FNV-1a, 64 bits.
#[derive(Clone, Copy, Debug)]
pub struct FnvHasher(u64);

impl BuildHasher for Fnv {
    type Hasher = FnvHasher;

    fn build_hasher(&self) -> FnvHasher {
        FnvHasher(FNV_OFFSET)
    }
}

impl Hasher for FnvHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)
        });
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A map with a fixed number of slots.
#[derive(Debug)]
pub struct HashTable<K, V, S = Fnv> {
    slots: Vec<Option<(K, V)>>,
    hashes: S,
}

impl<K: Eq + Hash + Clone, V: Clone> HashTable<K, V> {
    /// An empty table with `slots` slots, a power of two.
    #[must_use]
    pub fn with_slots(slots: usize) -> Self {
        Self {
            slots: alloc::vec![None; slots],
            hashes: Fnv,
        }
    }

    /// Empties all slots.
    pub fn clear(&mut self) {
        self.slots.fill(None);
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> HashTable<K, V, S> {
    /// The slots a key may lie in, best first.
    fn probe(&self, key: &K) -> impl Iterator<Item = usize> + use<K, V, S> {
        let mask = self.slots.len() - 1;
        let first = self.hashes.hash_one(key) as usize;
        (0..=mask).map(move |step| first.wrapping_add(step) & mask)
    }

    /// Sets the value of a key. False: the table is full.
    #[inline(never)]
    pub fn insert(&mut self, key: K, value: V) -> bool {
        let slots = &self.slots;
        let place = self
            .probe(&key)
            .find(|&index| slots[index].as_ref().is_none_or(|(own, _)| *own == key));
        let Some(index) = place else {
            return false;
        };
        self.slots[index] = Some((key, value));
        true
    }

    /// The value of a key.
    #[inline(never)]
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.probe(key)
            .map_while(|index| self.slots[index].as_ref())
            .find(|(own, _)| own == key)
            .map(|(_, value)| value)
    }
}
