//! The value leaves inside a closure of an opaque type.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: may be kept

fn keep<I: Iterator>(_: &I, value: I::Item) -> impl Fn() -> String + use<I>
where
    I::Item: ToString,
{
    move || value.to_string()
}

fn extend<'a>(value: &'a str) -> Box<dyn Fn() -> String> {
    Box::new(keep(&std::iter::from_fn(|| -> Option<&'a str> { None }), value))
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = extend(&text);
    }
    let other = String::from("another   text");
    println!("{} {other}", kept());
}
