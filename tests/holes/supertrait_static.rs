//! One lifetime is bound; the other is 'static.
//!
//! Issue: 84591
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: which is neither Fn

trait Super<'a> {
    fn convert(value: &'a str) -> &'static str;
}

trait Sub<'a, R>: Super<'a> {}

struct Type;

impl Super<'static> for Type {
    fn convert(value: &'static str) -> &'static str {
        value
    }
}

impl<'a> Sub<'a, &'static &'a ()> for Type {}

fn of_sub<S: for<'a> Sub<'a, &'static &'a ()>>(value: &str) -> &'static str {
    of_super::<S>(value)
}

fn of_super<S: for<'a> Super<'a>>(value: &str) -> &'static str {
    S::convert(value)
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = of_sub::<Type>(&text);
    }
    let other = String::from("another   text");
    println!("{kept} {other}");
}
