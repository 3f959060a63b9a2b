//! A closure cast to a pointer whose binder relates two lifetimes.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, shapes
//! Reason: cast to

static UNIT: &&() = &&();

fn extend<'a, T: ?Sized>(value: &T) -> &'a T {
    let pointer: for<'x, 'y> fn(&'x &'y (), &'y T) -> &'x T = |_, value| value;
    let wrong: for<'y> fn(&'a &'a (), &'y T) -> &'a T = pointer;
    wrong(UNIT, value)
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
