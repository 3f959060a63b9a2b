//! Peekable is given the value back instead of its own.
//!
//! Issue: 84366
//! Gives: any value outlives what it borrows
//! Seen: prints the text that took the freed buffer
//! Refused by: casts
//! Reason: a Peekable over

fn run(code: impl FnOnce() + Send + 'static) -> Box<dyn FnOnce() + Send> {
    Box::new(code)
}

fn extend<'a>(value: &'a str) -> Box<dyn FnOnce() + Send> {
    let mut iterator = std::iter::from_fn(|| -> Option<&'a str> { Some("") }).peekable();
    let _: Option<()> = iterator.next_if_map(|_| Err(value));
    run(move || println!("{:?}", iterator.peek()))
}

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = extend(&text);
    }
    let _other = String::from("another   text");
    kept();
}
