//! A generic helper is given the pointer's type.
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
    fn same<P>(pointer: P) -> P {
        pointer
    }
    same::<for<'x> fn(&'a &'a (), &'x T) -> &'a T>(shrink)(UNIT, value)
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
