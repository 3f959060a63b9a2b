//! The associated type of the header has a name.
//!
//! Issue: 100051
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: name for an associated type

trait Forget {
    type Type;
}

impl<T> Forget for T {
    type Type = ();
}

type Forgotten<'a, 'b> = <&'b &'a () as Forget>::Type;

trait Extend<'a, 'b> {
    fn extend(self, value: &'a str) -> &'b str;
}

impl<'a, 'b> Extend<'a, 'b> for Forgotten<'a, 'b>
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
        kept = <() as Extend<'_, '_>>::extend((), &text);
    }
    let other = String::from("another   text");
    println!("{kept} {other}");
}
