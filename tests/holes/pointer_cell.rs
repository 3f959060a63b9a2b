//! The lifetime leaves through a cell instead of the result.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, shapes
//! Reason: cast to

use std::cell::Cell;

static UNIT: &&() = &&();

fn store<'a, 'b>(_: &'a &'b (), value: &'b str, into: &Cell<&'a str>) {
    into.set(value);
}

fn extend<'a>(value: &str) -> &'a str {
    let pointer: for<'x> fn(_, &'x str, &'x Cell<&'a str>) = store;
    let into = Cell::new("");
    pointer(UNIT, value, &into);
    into.get()
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
