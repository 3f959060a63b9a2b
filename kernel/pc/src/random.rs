//! Randomness: the processor's generator, else the jitter of its clock.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chance::Chance;

use crate::cpu;

static HAS_GENERATOR: AtomicBool = AtomicBool::new(false);
/// What the jitter was mixed into so far.
static POOL: AtomicU64 = AtomicU64::new(0);
/// Rounds of jitter in one 64-bit number.
const ROUNDS: usize = 64;

/// Looks for the generator; says whether there is one.
pub fn init(has_generator: bool) -> bool {
    let works = has_generator && cpu::hardware_random().is_some();
    HAS_GENERATOR.store(works, Ordering::Relaxed);
    works
}

/// Fills `buffer`.
pub fn fill(buffer: &mut [u8]) {
    for part in buffer.chunks_mut(8) {
        let number = HAS_GENERATOR
            .load(Ordering::Relaxed)
            .then(cpu::hardware_random)
            .flatten();
        let bytes = number.unwrap_or_else(jitter).to_le_bytes();
        part.copy_from_slice(&bytes[..part.len()]);
    }
}

/// Mixes time stamps that memory accesses and loops of varying length lie
/// between. Hard to predict from outside, but no generator for keys.
fn jitter() -> u64 {
    (0..ROUNDS).fold(0, |_, _| {
        let stamp = cpu::time_stamp();
        for _ in 0..stamp & 31 {
            core::hint::spin_loop();
        }
        let old = POOL.load(Ordering::Relaxed);
        let mixed = Chance::new(old ^ cpu::time_stamp().rotate_left(17) ^ stamp).number();
        POOL.store(mixed, Ordering::Relaxed);
        mixed
    })
}
