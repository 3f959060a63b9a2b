//! What a closure returns is taken to live as long as the closure.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: only known as what a closure returns

use std::fmt::Display;

trait Yields {
    type Item;
}

impl<R, F: Fn() -> R> Yields for F {
    type Item = R;
}

fn keep<T: Yields + 'static>(_: &T, value: T::Item) -> Box<dyn Display>
where
    T::Item: Display,
{
    Box::new(value)
}

fn extend<'a>(value: &'a str) -> Box<dyn Display> {
    keep(&|| -> &'a str { "" }, value)
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
