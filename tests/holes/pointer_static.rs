//! The pointer lies in a static table.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, shapes
//! Reason: cast to

static UNIT: &&() = &&();

fn shrink<'a, 'b, T: ?Sized>(_: &'a &'b (), value: &'b T) -> &'a T {
    value
}

static TABLE: [for<'x> fn(&'static &'static (), &'x str) -> &'static str; 1] = [shrink];

fn extend(value: &str) -> &'static str {
    TABLE[0](UNIT, value)
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
