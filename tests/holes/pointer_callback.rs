//! The lifetime leaves through a callback.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, shapes
//! Reason: cast to

use std::cell::Cell;

static UNIT: &&() = &&();

fn tell<'a, 'b>(_: &'a &'b (), value: &'b str, to: &dyn Fn(&'a str)) {
    to(value);
}

fn extend(value: &str) -> &'static str {
    let pointer: for<'x> fn(_, &'x str, &'x dyn Fn(&'static str)) = tell;
    let into = Cell::new("");
    pointer(UNIT, value, &|text| into.set(text));
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
