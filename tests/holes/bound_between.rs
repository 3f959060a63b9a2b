//! A trait is in between.
//!
//! Issue: 152607
//! Gives: any value is copied
//! Seen: prints the text of both, which have one buffer
//! Refused by: solver, shapes
//! Reason: bounds an associated type of another in place

trait Super {
    type Type;
}

trait Middle: Super<Type: Copy> {}

trait Sub: Middle {}

fn copy<A, T: Sub<Type = A> + ?Sized>(value: &A) -> A {
    *value
}

fn main() {
    let text = String::from("text");
    let copy = copy::<String, dyn Sub<Type = String>>(&text);
    println!("{text} {copy}");
    std::mem::forget(copy);
}
