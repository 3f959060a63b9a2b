//! The bound is a lifetime.
//!
//! Issue: 152607
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: bounds an associated type of another in place

trait Super {
    type Type;
}

trait Sub: Super<Type: 'static> {}

fn keep<T: Sub<Type = A> + ?Sized, A: std::fmt::Display>(value: A) -> Box<dyn std::fmt::Display> {
    Box::new(value)
}

fn extend<'a>(text: &'a str) -> Box<dyn std::fmt::Display> {
    keep::<dyn Sub<Type = &'a str>, &'a str>(text)
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = extend(&text);
    }
    let other = String::from("another   text");
    println!("{kept} {other}");
}
