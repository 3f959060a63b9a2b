//! The receiver's lifetime, not written, is the one that is believed.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: may be kept

use std::fmt::Display;

trait Keep {
    type Item: Display;

    fn keep(&self, value: Self::Item) -> Box<dyn Display + '_> {
        Box::new(value)
    }
}

impl<I: Iterator> Keep for I
where
    I::Item: Display,
{
    type Item = I::Item;
}

fn extend<'a>(value: &'a str) -> Box<dyn Display> {
    let iterator = std::iter::from_fn(|| -> Option<&'a str> { None });
    let iterator: &'static _ = Box::leak(Box::new(iterator));
    iterator.keep(value)
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
