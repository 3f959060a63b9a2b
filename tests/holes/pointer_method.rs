//! A method whose receiver implies the bound; only one lifetime is named.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, shapes
//! Reason: cast to

struct Holder<'b>(&'b ());

static HOLDER: Holder<'static> = Holder(&());

impl<'b> Holder<'b> {
    fn give(&self, value: &'b str) -> &str {
        value
    }
}

fn extend(value: &str) -> &'static str {
    fn pointer<'b>() -> for<'x> fn(&'x Holder<'b>, &'b str) -> &'x str {
        Holder::give
    }
    let wrong: fn(&'static Holder<'static>, _) -> &'static str = pointer();
    wrong(&HOLDER, value)
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
