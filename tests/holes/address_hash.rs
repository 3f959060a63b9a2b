//! The number comes to a hasher of one's own.
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

fn main() {
    let first = {
        let (value, mut keep) = (std::hint::black_box(0_u8), Keep(0));
        (&raw const value).hash(&mut keep);
        keep.0
    };
    let second = {
        let (value, mut keep) = (std::hint::black_box(0_u8), Keep(0));
        (&raw const value).hash(&mut keep);
        keep.0
    };
    let number = first ^ second;
    println!("{number} {}", NonZero::new(number).is_some());
}
