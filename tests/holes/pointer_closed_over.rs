//! A struct with two lifetimes hides the reference to a reference.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, shapes
//! Reason: cast to

struct Both<'a, 'b>(&'a &'b ());

static BOTH: Both<'static, 'static> = Both(&&());

fn shrink<'a, 'b>(_: &Both<'a, 'b>, value: &'b str) -> &'a str {
    value
}

fn extend<'a>(value: &str) -> &'a str {
    let pointer: for<'x> fn(&'a Both<'a, 'a>, &'x str) -> &'a str = shrink;
    pointer(&BOTH, value)
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
