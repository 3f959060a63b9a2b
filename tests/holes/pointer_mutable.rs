//! The lifetime leaves through a mutable reference.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, shapes
//! Reason: cast to

static UNIT: &&() = &&();

fn store<'a, 'b>(_: &'a &'b (), value: &'b str, into: &mut &'a str) {
    *into = value;
}

fn extend<'a>(value: &str) -> &'a str {
    let pointer: for<'x, 'y> fn(_, &'x str, &'y mut &'a str) = store;
    let mut into = "";
    pointer(UNIT, value, &mut into);
    into
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
