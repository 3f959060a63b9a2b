//! One hash table, written twice: as Rust is written, and as C is.
//!
//! Open addressing with linear probing, FNV-1a, 8-byte keys and values: the
//! table of the original RedLeaf's paper. `tool/peers/hash_table.c` is the same
//! in C. Keys are never 0.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod c_style;
pub mod idiomatic;

/// Start of FNV-1a (64 bits).
pub const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
/// Factor of FNV-1a (64 bits).
pub const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// Key number `number`: splitmix64 of it, made odd.
#[inline]
#[must_use]
pub const fn key_of(number: u64) -> u64 {
    let mut key = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    key = (key ^ key >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    key = (key ^ key >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (key ^ key >> 31) | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    /// Both tables, next to a map, with keys that meet in the same slots.
    #[test]
    fn both_tables_are_maps() {
        let mut model = BTreeMap::new();
        let mut plain = c_style::Table::new(1 << 6);
        let mut fine = idiomatic::HashTable::with_slots(1 << 6);
        for round in 0..200_u64 {
            let key = key_of(round % 48);
            plain.set(key, round);
            fine.insert(key, round);
            model.insert(key, round);
        }
        for number in 0..60 {
            let key = key_of(number);
            assert_eq!(plain.get(key), model.get(&key).copied());
            assert_eq!(fine.get(&key), model.get(&key));
        }
    }

    #[test]
    fn the_hash_is_fnv() {
        use core::hash::{BuildHasher, Hasher};
        let mut hasher = idiomatic::Fnv.build_hasher();
        hasher.write(b"foobar");
        // A test vector of the algorithm's authors.
        assert_eq!(hasher.finish(), 0x8594_4171_f739_67e8);
        let key: u64 = u64::from_le_bytes(*b"foobar\0\0");
        let mut hasher = idiomatic::Fnv.build_hasher();
        hasher.write(&key.to_le_bytes());
        assert_eq!(c_style::fnv(key), hasher.finish());
    }
}
