//! What an async block returns is taken to live as long as the block.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: has a lifetime and a trait

use std::fmt::Display;

fn keep<F: Future + 'static>(_: &F, value: F::Output) -> Box<dyn Display>
where
    F::Output: Display,
{
    Box::new(value)
}

fn extend<'a>(value: &'a str) -> Box<dyn Display> {
    let future = async {
        let nothing: &'a str = "";
        nothing
    };
    keep(&future, value)
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
