//! The associated type is an argument of the trait.
//!
//! Issue: 100051
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: associated type in the header

trait Forget {
    type Type;
}

impl<T> Forget for T {
    type Type = ();
}

trait Extend<'a, 'b, X> {
    fn extend(self, value: &'a str) -> &'b str;
}

impl<'a, 'b> Extend<'a, 'b, <&'b &'a () as Forget>::Type> for ()
where
    for<'x, 'y> &'x &'y (): Forget,
{
    fn extend(self, value: &'a str) -> &'b str {
        value
    }
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = <() as Extend<'_, '_, ()>>::extend((), &text);
    }
    let other = String::from("another   text");
    println!("{kept} {other}");
}
