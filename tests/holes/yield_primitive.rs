//! The parameter has the name of a primitive type.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: must begin with a capital

use std::cell::Cell;
use std::fmt::Debug;

fn hide<u64: Default + Copy + Debug>(value: u64) -> Box<dyn FnOnce()> {
    let mut items = std::iter::from_fn(|| Some(Cell::new(u64::default()))).peekable();
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
