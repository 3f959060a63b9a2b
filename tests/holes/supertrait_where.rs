//! The binder stands in a where clause, before the type.
//!
//! Issue: 84591
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: which is neither Fn

use std::fmt::Display;

trait Super<'a, T> {
    fn boxed(value: T) -> Box<dyn Display + 'a>;
}

trait Sub<'a, T, R>: Super<'a, T> {}

struct Type;

impl<'a, T: Display + 'a> Super<'a, T> for Type {
    fn boxed(value: T) -> Box<dyn Display + 'a> {
        Box::new(value)
    }
}

impl<'a, T: Display> Sub<'a, T, &'a T> for Type {}

fn of_sub<S, T>(value: T) -> Box<dyn Display>
where
    for<'a> S: Sub<'a, T, &'a T>,
{
    of_super::<S, T>(value)
}

fn of_super<S, T>(value: T) -> Box<dyn Display>
where
    for<'a> S: Super<'a, T>,
{
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
