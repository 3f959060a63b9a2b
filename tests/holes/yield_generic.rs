//! Where the Peekable is made, the iterator's type is not known.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: casts
//! Reason: a Peekable over

use std::cell::Cell;

fn hide<'a, I: Iterator<Item = Cell<&'a str>>>(items: I, value: &'a str) -> impl FnOnce() + use<I> {
    let mut items = items.peekable();
    if let Some(cell) = items.peek() {
        cell.set(value);
    }
    move || println!("{:?}", items.peek().map(Cell::get))
}

fn extend<'a>(value: &'a str) -> Box<dyn FnOnce()> {
    Box::new(hide(std::iter::from_fn(|| -> Option<Cell<&'a str>> { Some(Cell::new("")) }), value))
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
