//! The function is a trait's default method.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, shapes
//! Reason: cast to

static UNIT: &&() = &&();

trait Shrink {
    fn shrink<'a, 'b>(_: &'a &'b (), value: &'b str) -> &'a str {
        value
    }
}

impl Shrink for () {}

fn extend<'a>(value: &str) -> &'a str {
    let pointer: for<'x> fn(_, &'x str) -> &'a str = <() as Shrink>::shrink;
    pointer(UNIT, value)
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
