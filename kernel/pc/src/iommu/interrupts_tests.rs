//! Encodings against what the specification says of them, and tables.

use std::vec::Vec;

use chance::Chance;

use super::*;

/// What an entry says, read as section 9.10 has it; none if it is not there, or asks for
/// what the kernel never does.
fn decode([lower, upper]: [u64; 2], width: Width) -> Option<Entry> {
    let bits = |word: u64, low: u32, high: u32| word >> low & (u64::MAX >> (63 - (high - low)));
    let is_present = bits(lower, 0, 0) == 1;
    // Faults are reported, the CPU is named by its physical id, nothing is redirected,
    // delivery is fixed, nothing is posted.
    let is_plain = [(1, 1), (2, 2), (3, 3), (5, 7), (8, 15), (24, 31)]
        .into_iter()
        .all(|(low, high)| bits(lower, low, high) == 0);
    // All 16 bits of the source are compared.
    let is_checked = bits(upper, 16, 17) == 0 && bits(upper, 18, 19) == 1;
    let is_clean = bits(upper, 20, 63) == 0;
    let cpu = match width {
        Width::Wide => bits(lower, 32, 63),
        Width::Narrow if bits(lower, 32, 39) == 0 && bits(lower, 48, 63) == 0 => {
            bits(lower, 40, 47)
        }
        Width::Narrow => return None,
    };
    (is_present && is_plain && is_checked && is_clean).then_some(Entry {
        vector: bits(lower, 16, 23) as u8,
        cpu: cpu as u32,
        source: bits(upper, 0, 15) as u16,
        is_level: bits(lower, 4, 4) == 1,
    })
}

/// An entry that a device may have.
fn any(chance: &mut Chance, width: Width) -> Entry {
    let devices: Vec<u8> = (0..=255)
        .filter(|one| traps::is_for_devices(*one))
        .collect();
    let cpus = if width == Width::Wide { 1 << 32 } else { 255 };
    Entry {
        vector: devices[chance.below(devices.len() as u64) as usize],
        cpu: chance.below(cpus) as u32,
        source: chance.number() as u16,
        is_level: chance.below(2) == 1,
    }
}

fn store(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Relaxed);
}

fn read(table: &Table, vector: u8, width: Width) -> Option<Entry> {
    decode(
        words(table, vector).map(|word| word.load(Ordering::Relaxed)),
        width,
    )
}

fn empty() -> Table {
    [const { AtomicU64::new(0) }; WORDS]
}

#[test]
fn entries_say_what_they_mean() {
    let mut chance = Chance::new(1);
    for width in [Width::Narrow, Width::Wide] {
        for _ in 0..10_000 {
            let entry = any(&mut chance, width);
            assert_eq!(decode(entry.encode(width), width), Some(entry));
        }
    }
}

#[test]
fn ids_above_eight_bits_are_wide_entries_only() {
    let entry = Entry {
        vector: 0x40,
        cpu: 0x0102_0304,
        source: 0x00f8,
        is_level: false,
    };
    let wide = entry.encode(Width::Wide);
    assert_eq!(wide, [0x0102_0304_0040_0001, 0x0004_00f8]);
    let narrow = Entry { cpu: 3, ..entry }.encode(Width::Narrow);
    assert_eq!(narrow, [0x0000_0300_0040_0001, 0x0004_00f8]);
}

#[test]
fn messages_name_entries() {
    for vector in 0..=255 {
        // Section 5.1.2.2: the handle, and that there is one; no part of it in the data.
        let (address, data) = message(vector);
        assert_eq!(address >> 20, 0xfee);
        assert_eq!(address >> 5 & 0x7fff, u64::from(vector));
        assert_eq!((address & 0x1f, data), (0b1_0000, 0));
        // Section 5.1.5.1.
        let upper = redirection(vector);
        assert_eq!(upper >> 17, u32::from(vector));
        assert_eq!(upper & 0x1_ffff, 0x1_0000);
    }
    assert_eq!(own_message(3, 0x41), (0xfee0_3000, 0x41));
    assert_eq!(
        own_message(0x0102_0304, 0x41),
        (0x0102_0300_fee0_4000, 0x41)
    );
}

#[test]
fn each_vector_has_its_entry() {
    let mut chance = Chance::new(2);
    for width in [Width::Narrow, Width::Wide] {
        let (table, mut expected) = (empty(), [None; 256]);
        for _ in 0..5_000 {
            let entry = any(&mut chance, width);
            let slot = &mut expected[usize::from(entry.vector)];
            if chance.below(3) == 0 {
                clear(&table, entry.vector, store);
                *slot = None;
            } else {
                assert!(set(&table, entry, width, store));
                *slot = Some(entry);
            }
            for (vector, expected) in (0..=255).zip(&expected) {
                assert_eq!(read(&table, vector, width), *expected);
            }
        }
    }
}

#[test]
fn no_entry_raises_what_is_not_for_devices() {
    let table = empty();
    for vector in 0..=255u8 {
        let entry = Entry {
            vector,
            cpu: 0,
            source: 0,
            is_level: false,
        };
        let is_set = set(&table, entry, Width::Wide, store);
        assert_eq!(is_set, read(&table, vector, Width::Wide).is_some());
        assert!(!is_set || (vector >= 0x30 && vector != traps::SPURIOUS));
    }
    for own in [traps::TIMER, traps::WAKE, traps::SHOOTDOWN] {
        assert_eq!(read(&table, own, Width::Wide), None);
    }
}

#[test]
fn a_change_is_never_half_of_each() {
    let mut chance = Chance::new(3);
    for width in [Width::Narrow, Width::Wide] {
        let table = empty();
        for _ in 0..2_000 {
            let (old, mut new) = (any(&mut chance, width), any(&mut chance, width));
            new.vector = old.vector;
            if chance.below(2) == 0 {
                new.source = old.source;
            }
            assert!(set(&table, old, width, store));
            let checked = |word: &AtomicU64, value| {
                store(word, value);
                let seen = read(&table, old.vector, width);
                assert!(seen.is_none() || seen == Some(old) || seen == Some(new));
                // Who moves to another CPU loses no interrupt meanwhile.
                assert!(seen.is_some() || new.source != old.source);
            };
            assert!(set(&table, new, width, checked));
            assert_eq!(read(&table, old.vector, width), Some(new));
            clear(&table, old.vector, |word, value| {
                store(word, value);
                assert_eq!(read(&table, old.vector, width), None);
            });
        }
    }
}
