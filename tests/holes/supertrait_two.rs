//! A binder over two lifetimes drops what the subtrait's type implied.
//!
//! Issue: 84591
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: binds more than one lifetime

trait Super<'a, 'b> {
    fn convert<T: ?Sized>(value: &'a T) -> &'b T;
}

trait Sub<'a, 'b, R>: Super<'a, 'b> {}

struct Type;

impl<'a: 'b, 'b> Super<'a, 'b> for Type {
    fn convert<T: ?Sized>(value: &'a T) -> &'b T {
        value
    }
}

impl<'a, 'b> Sub<'a, 'b, &'b &'a ()> for Type {}

fn of_sub<S: for<'a, 'b> Sub<'a, 'b, &'b &'a ()>>(value: &str) -> &'static str {
    of_super::<S>(value)
}

fn of_super<S: for<'a, 'b> Super<'a, 'b>>(value: &str) -> &'static str {
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
