//! Memory functions and runtime symbols that kernel and images bring along.
//!
//! The compiler emits calls of `memcpy`, `memmove`, `memset`, `memcmp` and
//! `bcmp`, and prebuilt `core` refers to `rust_eh_personality` and
//! `_Unwind_Resume`; there is no C library to provide them. The loops use
//! 16-byte unaligned accesses: every x86-64 has them, and byte-wise string
//! instructions are very slow under emulation.
//!
//! The symbols exist only under `cfg(redleaf_image)`; on the host the functions
//! are ordinary ones, tested against naive models.

#![cfg_attr(redleaf_image, no_std)]
// Without this the compiler would turn the loops below into calls of themselves.
#![no_builtins]

use core::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8, _mm_storeu_si128,
};

#[cfg(redleaf_image)]
mod symbols;

/// Bytes per vector register.
const VECTOR: usize = size_of::<__m128i>();
/// Bytes per round of the unrolled loops.
const BLOCK: usize = 4 * VECTOR;

/// Copies `length` bytes; the ranges may overlap.
///
/// # Safety
/// `source` must be readable and `destination` writable for `length` bytes.
#[inline]
pub unsafe fn copy(destination: *mut u8, source: *const u8, length: usize) {
    // SAFETY: each callee gets the length its name promises, within the ranges
    // our caller vouches for.
    unsafe {
        if length <= VECTOR {
            copy_small(destination, source, length);
        } else if length <= BLOCK {
            copy_medium(destination, source, length);
        } else if (destination as usize).wrapping_sub(source as usize) >= length {
            copy_forward(destination, source, length);
        } else {
            copy_backward(destination, source, length);
        }
    }
}

/// Sets `length` bytes to `value`.
///
/// # Safety
/// `destination` must be writable for `length` bytes.
#[inline]
pub unsafe fn fill(destination: *mut u8, value: u8, length: usize) {
    if length < VECTOR {
        for index in 0..length {
            // SAFETY: `index` is below `length`.
            unsafe { destination.add(index).write(value) };
        }
        return;
    }
    // SAFETY: `length >= VECTOR`, so the last vector starts within the range;
    // every other store ends at or before it.
    unsafe {
        let vector = _mm_set1_epi8(value.cast_signed());
        let mut at = 0;
        while at + BLOCK <= length {
            store_block(destination.add(at), [vector; 4]);
            at += BLOCK;
        }
        while at + VECTOR <= length {
            store(destination.add(at), vector);
            at += VECTOR;
        }
        store(destination.add(length - VECTOR), vector);
    }
}

/// Difference of the first bytes that differ, 0 if none does in `length` bytes.
///
/// # Safety
/// Both must be readable for `length` bytes.
#[inline]
#[must_use]
pub unsafe fn compare(left: *const u8, right: *const u8, length: usize) -> i32 {
    let mut at = 0;
    // SAFETY: every load lies below `length`.
    unsafe {
        while at + VECTOR <= length {
            let same = _mm_cmpeq_epi8(load(left.add(at)), load(right.add(at)));
            let different = !_mm_movemask_epi8(same) & 0xffff;
            if different != 0 {
                at += different.trailing_zeros() as usize;
                return i32::from(left.add(at).read()) - i32::from(right.add(at).read());
            }
            at += VECTOR;
        }
        while at < length {
            let (a, b) = (left.add(at).read(), right.add(at).read());
            if a != b {
                return i32::from(a) - i32::from(b);
            }
            at += 1;
        }
    }
    0
}

/// Up to 16 bytes: two overlapping accesses of the largest size that fits. All
/// loads come before all stores, so overlap of the ranges does not matter.
///
/// # Safety
/// As [`copy`], with `length <= 16`.
#[inline]
unsafe fn copy_small(destination: *mut u8, source: *const u8, length: usize) {
    macro_rules! two {
        ($word:ty) => {{
            let end = length - size_of::<$word>();
            // SAFETY: the range holds at least one word, so both lie within.
            unsafe {
                let first = source.cast::<$word>().read_unaligned();
                let last = source.add(end).cast::<$word>().read_unaligned();
                destination.cast::<$word>().write_unaligned(first);
                destination.add(end).cast::<$word>().write_unaligned(last);
            }
        }};
    }
    match length {
        0 => (),
        1 => two!(u8),
        2..4 => two!(u16),
        4..8 => two!(u32),
        _ => two!(u64),
    }
}

/// 17 to 64 bytes, all loaded before the first store.
///
/// # Safety
/// As [`copy`], with `16 < length <= 64`.
#[inline]
unsafe fn copy_medium(destination: *mut u8, source: *const u8, length: usize) {
    // SAFETY: offsets and their vectors lie below `length`.
    unsafe {
        let last = length - VECTOR;
        if length <= 2 * VECTOR {
            let (a, b) = (load(source), load(source.add(last)));
            store(destination, a);
            store(destination.add(last), b);
        } else {
            let (a, b) = (load(source), load(source.add(VECTOR)));
            let (c, d) = (load(source.add(last - VECTOR)), load(source.add(last)));
            store(destination, a);
            store(destination.add(VECTOR), b);
            store(destination.add(last - VECTOR), c);
            store(destination.add(last), d);
        }
    }
}

/// More than 64 bytes, upwards: for ranges apart or `destination < source`.
///
/// # Safety
/// As [`copy`], with `length > 64`.
#[inline]
unsafe fn copy_forward(destination: *mut u8, source: *const u8, length: usize) {
    let last = length - BLOCK;
    // SAFETY: all blocks lie below `length`. A store reaches source bytes of its
    // own block or earlier ones only; the last block is loaded before any store.
    unsafe {
        let tail = load_block(source.add(last));
        let mut at = 0;
        while at < last {
            store_block(destination.add(at), load_block(source.add(at)));
            at += BLOCK;
        }
        store_block(destination.add(last), tail);
    }
}

/// More than 64 bytes, downwards: for `source < destination`, overlapping.
///
/// # Safety
/// As [`copy`], with `length > 64`.
#[inline]
unsafe fn copy_backward(destination: *mut u8, source: *const u8, length: usize) {
    // SAFETY: the mirror image of `copy_forward`.
    unsafe {
        let head = load_block(source);
        let mut at = length;
        while at > BLOCK {
            at -= BLOCK;
            store_block(destination.add(at), load_block(source.add(at)));
        }
        store_block(destination, head);
    }
}

#[inline(always)]
unsafe fn load(at: *const u8) -> __m128i {
    // SAFETY: callers pass 16 readable bytes; the access may be unaligned.
    unsafe { _mm_loadu_si128(at.cast()) }
}

#[inline(always)]
unsafe fn store(at: *mut u8, vector: __m128i) {
    // SAFETY: callers pass 16 writable bytes; the access may be unaligned.
    unsafe { _mm_storeu_si128(at.cast(), vector) }
}

#[inline(always)]
unsafe fn load_block(at: *const u8) -> [__m128i; 4] {
    // SAFETY: callers pass 64 readable bytes.
    unsafe {
        [
            load(at),
            load(at.add(VECTOR)),
            load(at.add(2 * VECTOR)),
            load(at.add(3 * VECTOR)),
        ]
    }
}

#[inline(always)]
unsafe fn store_block(at: *mut u8, block: [__m128i; 4]) {
    // SAFETY: callers pass 64 writable bytes.
    unsafe {
        store(at, block[0]);
        store(at.add(VECTOR), block[1]);
        store(at.add(2 * VECTOR), block[2]);
        store(at.add(3 * VECTOR), block[3]);
    }
}
