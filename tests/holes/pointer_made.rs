//! The library makes the pointer; the library is what is refused.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: library casts, library shapes
//! Reason: cast to
//! Library: pointer_made.lib.rs

static UNIT: &&() = &&();

fn extend<'a>(value: &str) -> &'a str {
    pointer_made::pointer()(UNIT, value)
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
