//! The closure is inside an iterator of the standard library.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: has a lifetime and a trait

use std::fmt::Display;

fn keep<I: Iterator + 'static>(_: &I, value: I::Item) -> Box<dyn Display>
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
