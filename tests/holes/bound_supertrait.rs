//! A trait bounds its supertrait's associated type.
//!
//! Issue: 152607
//! Gives: any value is copied
//! Seen: prints the text of both, which have one buffer
//! Refused by: shapes
//! Reason: bounds an associated type of another in place

trait Super {
    type Type;
}

trait Sub: Super<Type: Copy> {}

fn copy<A, T: Sub<Type = A> + ?Sized>(value: &A) -> A {
    *value
}

fn main() {
    let text = String::from("text");
    let copy = copy::<String, dyn Sub<Type = String>>(&text);
    println!("{text} {copy}");
    std::mem::forget(copy);
}
