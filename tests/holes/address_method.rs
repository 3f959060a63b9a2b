//! The number comes from a method.
//!
//! Issue: 107975
//! Gives: a NonZero of zero
//! Seen: with -O prints that 0 is none
//! Refused by: addresses
//! Reason: becomes a number

use std::num::NonZero;

fn main() {
    let first = {
        let value = std::hint::black_box(0_u8);
        (&raw const value).addr()
    };
    let second = {
        let value = std::hint::black_box(0_u8);
        (&raw const value).addr()
    };
    let number = first ^ second;
    println!("{number} {}", NonZero::new(number).is_some());
}
