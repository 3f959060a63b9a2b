//! A type of the crate's own stores the value beside the iterator.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: stores

use std::fmt::Display;

struct Stored<I: Iterator>(I::Item);

trait Show {
    fn show(&self) -> String;
}

impl<I: Iterator> Show for Stored<I>
where
    I::Item: Display,
{
    fn show(&self) -> String {
        format!("{}", self.0)
    }
}

fn stored<'a, I: Iterator<Item = &'a str>>(_: I, value: &'a str) -> Stored<I> {
    Stored(value)
}

fn extend<'a>(value: &'a str) -> Box<dyn Show> {
    Box::new(stored(std::iter::from_fn(|| -> Option<&'a str> { None }), value))
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = extend(&text);
    }
    let other = String::from("another   text");
    println!("{} {other}", kept.show());
}
