//! The bound stands in a where clause, and is inherited.
//!
//! Issue: 152607
//! Gives: any value is copied
//! Seen: prints the text of both, which have one buffer
//! Refused by: shapes
//! Reason: bounds an associated type of another in place

trait Super {
    type Type;
}

trait Sub
where
    Self: Super<Type: Copy>,
{
}

trait Both: Sub + Super {}

fn copy<A, T: Sub + Super<Type = A> + ?Sized>(value: &A) -> A {
    *value
}

fn main() {
    let text = String::from("text");
    let copy = copy::<String, dyn Both<Type = String>>(&text);
    println!("{text} {copy}");
    std::mem::forget(copy);
}
