//! The type that the closure yields is a parameter, not a reference.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: casts
//! Reason: a Peekable over

use std::cell::Cell;
use std::fmt::Debug;

fn hide<T: Default + Copy + Debug>(value: T) -> Box<dyn FnOnce()> {
    let mut items = std::iter::from_fn(|| Some(Cell::new(T::default()))).peekable();
    if let Some(cell) = items.peek() {
        cell.set(value);
    }
    Box::new(move || println!("{:?}", items.peek().map(Cell::get)))
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = hide::<&str>(&text);
    }
    let _other = String::from("another   text");
    kept();
}
