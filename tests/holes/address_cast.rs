//! Numbers of two variables that lie at one address, one after the other.
//!
//! Issue: 107975
//! Gives: a NonZero of zero, so an index that no check stops
//! Seen: with -O prints a number before the array
//! Refused by: addresses
//! Reason: becomes a number

use std::num::NonZero;

#[inline(never)]
fn look(array: &[usize; 4], at: NonZero<usize>) -> usize {
    if at.get() <= 4 { array[at.get() - 1] } else { 0 }
}

fn main() {
    let first = {
        let value = std::hint::black_box(0_u8);
        &value as *const u8 as usize
    };
    let second = {
        let value = std::hint::black_box(0_u8);
        &value as *const u8 as usize
    };
    if let Some(at) = NonZero::new(first ^ second) {
        println!("{} {}", at, look(&[1, 2, 3, 4], at));
    }
}
