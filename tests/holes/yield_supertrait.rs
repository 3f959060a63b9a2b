//! A trait of the crate's own says 'static for the iterator.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: has a lifetime and a trait

use std::fmt::Display;

trait Lasting: Iterator + 'static {}

impl<I: Iterator + 'static> Lasting for I {}

fn keep<I: Lasting>(_: &I, value: I::Item) -> Box<dyn Display>
where
    I::Item: Display,
{
    Box::new(value)
}

fn extend<'a>(value: &'a str) -> Box<dyn Display> {
    keep(&std::iter::from_fn(|| -> Option<&'a str> { None }), value)
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
