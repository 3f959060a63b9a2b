//! The supertrait is one of the standard library.
//!
//! Issue: 152607
//! Gives: any value is copied
//! Seen: prints the text of both, which have one buffer
//! Refused by: shapes
//! Reason: bounds an associated type of another in place

trait Sub: Iterator<Item: Copy> {}

fn copy<A, T: Sub<Item = A> + ?Sized>(value: &A) -> A {
    *value
}

fn main() {
    let text = String::from("text");
    let copy = copy::<String, dyn Sub<Item = String>>(&text);
    println!("{text} {copy}");
    std::mem::forget(copy);
}
