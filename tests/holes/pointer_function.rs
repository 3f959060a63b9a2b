//! A function cast to a pointer that binds one of its lifetimes.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, shapes
//! Reason: cast to

static UNIT: &&() = &&();

fn shrink<'a, 'b, T: ?Sized>(_: &'a &'b (), value: &'b T) -> &'a T {
    value
}

fn extend<'a, T: ?Sized>(value: &T) -> &'a T {
    let pointer: for<'x> fn(_, &'x T) -> &'a T = shrink;
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
