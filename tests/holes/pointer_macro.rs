//! A macro writes the function and the cast.
//!
//! Issue: 25860
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: casts, shapes
//! Reason: cast to

static UNIT: &&() = &&();

macro_rules! extender {
    ($name:ident, $type:ty) => {
        fn $name<'a>(value: &$type) -> &'a $type {
            fn shrink<'a, 'b>(_: &'a &'b (), value: &'b $type) -> &'a $type {
                value
            }
            let pointer: for<'x> fn(_, &'x $type) -> &'a $type = shrink;
            pointer(UNIT, value)
        }
    };
}

extender!(extend, str);

fn main() {
    let kept;
    {
        let text = String::from("temporary text");
        kept = extend(&text);
    }
    let other = String::from("another   text");
    println!("{kept} {other}");
}
