//! The pointer is one that is not null.
//!
//! Issue: 107975
//! Gives: a NonZero of zero
//! Seen: with -O prints that 0 is none
//! Refused by: addresses
//! Reason: becomes a number

use std::num::NonZero;
use std::ptr::NonNull;

fn main() {
    let first = {
        let value = std::hint::black_box(0_u8);
        NonNull::from(&value).addr().get()
    };
    let second = {
        let value = std::hint::black_box(0_u8);
        NonNull::from(&value).addr().get()
    };
    let number = first ^ second;
    println!("{number} {}", NonZero::new(number).is_some());
}
