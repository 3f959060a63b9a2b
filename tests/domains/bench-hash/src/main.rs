//! Measures a hash table in idiomatic and in C-style Rust, within one domain.
//!
//! A pass fills an empty table to three quarters, then looks every key up. The
//! two kinds take turns.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use core::hint::black_box;

use bench_hash::idiomatic::HashTable;
use bench_hash::{c_style, key_of};
use measure::Samples;
use runtime::time::cycles;
use runtime::{DomainControl, StartError, domain};

/// Slots as powers of two, and passes.
const SIZES: [(u32, usize); 3] = [(12, 200), (16, 40), (20, 6)];

/// Measures, reports and powers off.
#[domain]
fn bench_hash(control: DomainControl) -> Result<(), StartError> {
    for (bits, passes) in SIZES {
        let slots = 1_usize << bits;
        let count = slots as u64 / 4 * 3;
        let mut fine = HashTable::with_slots(slots);
        let mut plain = c_style::Table::new(slots);
        let mut samples = [(); 4].map(|()| Samples::with_room(passes));
        for pass in 0..=passes {
            fine.clear();
            let set = per_key(count, |key, number| fine.insert(key, number));
            let get = per_key(count, |key, number| fine.get(&key) == Some(&number));
            plain.clear();
            let plain_set = per_key(count, |key, number| {
                plain.set(key, number);
                true
            });
            let plain_get = per_key(count, |key, number| plain.get(key) == Some(number));
            // The first pass only warms caches up.
            if pass == 0 {
                continue;
            }
            for (samples, value) in samples.iter_mut().zip([set, get, plain_set, plain_get]) {
                let value = value.ok_or_else(|| StartError::new("a key has a wrong value"))?;
                samples.add(value);
            }
        }
        let kinds = [
            "idiomatic Rust, set",
            "idiomatic Rust, get",
            "C-style Rust, set",
            "C-style Rust, get",
        ];
        for (kind, samples) in kinds.iter().zip(&samples) {
            let operation = kind.rsplit(' ').next().unwrap_or_default();
            let name = alloc::format!("{kind}, 2^{bits} slots");
            let baseline = alloc::format!("C, {operation}, 2^{bits} slots");
            runtime::log::info!("{}", samples.row(&name, "cycles", Some(&baseline)));
        }
    }
    control.power_off(0)
}

/// Cycles per key; `None` if `act` failed for one.
#[inline(always)]
fn per_key(count: u64, mut act: impl FnMut(u64, u64) -> bool) -> Option<f64> {
    let before = cycles();
    let mut is_right = true;
    for number in 0..count {
        is_right &= act(key_of(number), number);
    }
    let spent = cycles().wrapping_sub(before) as f64;
    black_box(is_right).then_some(spent / count as f64)
}
