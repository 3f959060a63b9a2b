//! A function that knows of no pointer makes the number.
//!
//! Issue: 107975
//! Gives: a NonZero of zero
//! Seen: with -O prints that 0 is none
//! Refused by: addresses
//! Reason: becomes a number

use std::hash::{Hash, Hasher};
use std::num::NonZero;

struct Keep(usize);

impl Hasher for Keep {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_usize(&mut self, number: usize) {
        self.0 = number;
    }
}

#[inline]
fn number<T: Hash>(of: T) -> usize {
    let mut keep = Keep(0);
    of.hash(&mut keep);
    keep.0
}

fn main() {
    let first = {
        let value = std::hint::black_box(0_u8);
        number(&raw const value)
    };
    let second = {
        let value = std::hint::black_box(0_u8);
        number(&raw const value)
    };
    let number = first ^ second;
    println!("{number} {}", NonZero::new(number).is_some());
}
