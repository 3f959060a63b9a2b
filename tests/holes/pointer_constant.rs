//! The pointer is the constant of a trait.
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

trait Table<'a, T: 'a + ?Sized> {
    const POINTER: for<'x> fn(&'a &'a (), &'x T) -> &'a T;
}

struct Entry;

impl<'a, T: 'a + ?Sized> Table<'a, T> for Entry {
    const POINTER: for<'x> fn(&'a &'a (), &'x T) -> &'a T = shrink;
}

fn extend<'a, T: 'a + ?Sized>(value: &T) -> &'a T {
    <Entry as Table<'a, T>>::POINTER(UNIT, value)
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
