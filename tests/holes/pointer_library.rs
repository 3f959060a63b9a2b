//! The function lies in a library of the tree, the cast in a domain.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, library shapes
//! Reason: cast to
//! Library: pointer_library.lib.rs

static UNIT: &&() = &&();

fn extend<'a, T: ?Sized>(value: &T) -> &'a T {
    let pointer: for<'x> fn(_, &'x T) -> &'a T = pointer_library::shrink;
    pointer(UNIT, value)
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = extend::<str>(&text);
    }
    let other = String::from("another   text");
    println!("{kept} {other}");
}
