//! What the binder loses is the well-formedness of an associated type.
//!
//! Issue: 84591
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: which is neither Fn

use std::fmt::Display;

trait Super<'a, T> {
    type Boxed: Display + 'a;
    fn boxed(value: T) -> Self::Boxed;
}

trait Sub<'a, T, R>: Super<'a, T, Boxed = Box<dyn Display + 'a>> {}

struct Type;

impl<'a, T: Display + 'a> Super<'a, T> for Type {
    type Boxed = Box<dyn Display + 'a>;
    fn boxed(value: T) -> Self::Boxed {
        Box::new(value)
    }
}

impl<'a, T: Display> Sub<'a, T, &'a T> for Type {}

fn of_sub<S: for<'a> Sub<'a, T, &'a T>, T>(value: T) -> Box<dyn Display> {
    S::boxed(value)
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = of_sub::<Type, &str>(&text);
    }
    let other = String::from("another   text");
    println!("{kept} {other}");
}
