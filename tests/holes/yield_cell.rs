//! Peekable stores a cell that is only looked at.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: casts
//! Reason: a Peekable over

use std::cell::Cell;

fn run(code: impl FnOnce() + Send + 'static) -> Box<dyn FnOnce() + Send> {
    Box::new(code)
}

fn extend<'a>(value: &'a str) -> Box<dyn FnOnce() + Send> {
    let mut iterator = std::iter::from_fn(|| -> Option<Cell<&'a str>> { Some(Cell::new("")) }).peekable();
    iterator.peek().unwrap().set(value);
    run(move || println!("{:?}", iterator.peek().map(Cell::get)))
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = extend(&text);
    }
    let _other = String::from("another   text");
    kept();
}
