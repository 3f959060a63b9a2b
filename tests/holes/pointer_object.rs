//! The lifetime leaves as the bound of a trait object.
//!
//! Issue: 25860
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, shapes
//! Reason: cast to

use std::fmt::Display;

static UNIT: &&() = &&();

fn boxed<'a, 'b>(_: &'a &'b (), value: &'b str) -> Box<dyn Display + 'a> {
    Box::new(value)
}

fn extend(value: &str) -> Box<dyn Display> {
    let pointer: for<'x> fn(_, &'x str) -> Box<dyn Display> = boxed;
    pointer(UNIT, value)
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = extend(&text);
    }
    let other = String::from("another   text");
    println!("{kept} {other}");
}
