//! The subtrait is that of a trait object.
//!
//! Issue: 84591
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: which is neither Fn

use std::fmt::Display;

trait Super<'a, T> {
    fn boxed(&self, value: T) -> Box<dyn Display + 'a>;
}

trait Sub<'a, T, R>: Super<'a, T> {}

struct Type;

impl<'a, T: Display + 'a> Super<'a, T> for Type {
    fn boxed(&self, value: T) -> Box<dyn Display + 'a> {
        Box::new(value)
    }
}

impl<'a, T: Display> Sub<'a, T, &'a T> for Type {}

fn extend<'t, T: Display + 't>(value: T) -> Box<dyn Display> {
    let object: &(dyn for<'a> Sub<'a, T, &'a T> + 't) = &Type;
    of_super(object, value)
}

fn of_super<S: for<'a> Super<'a, T> + ?Sized, T>(object: &S, value: T) -> Box<dyn Display> {
    object.boxed(value)
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = extend::<&str>(&text);
    }
    let other = String::from("another   text");
    println!("{kept} {other}");
}
