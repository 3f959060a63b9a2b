//! The number comes from an object, whose type says nothing of a pointer.
//!
//! Issue: 107975
//! Gives: an address as a number
//! Seen: prints it
//! Refused by: addresses
//! Reason: becomes a number

use std::hash::{Hash, Hasher};

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

trait Number {
    fn number(&self) -> usize;
}

impl<T: Hash> Number for T {
    fn number(&self) -> usize {
        let mut keep = Keep(0);
        self.hash(&mut keep);
        keep.0
    }
}

fn main() {
    let value = 0_u8;
    let pointer = &raw const value;
    let object: &dyn Number = &pointer;
    println!("{:x}", object.number());
}
