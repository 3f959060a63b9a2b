//! Nothing is annotated: the lifetime is inferred.
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

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = keep(&std::iter::from_fn(|| None), text.as_str());
    }
    let other = String::from("another   text");
    println!("{kept} {other}");
}
