//! The blanket implementation is for types with a marker.
//!
//! Issue: 57893
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: solver, shapes
//! Reason: type annotations

trait Object {
    type Out;
}

trait Marker<'b> {}

impl<'b> Marker<'b> for dyn Object<Out = &'b str> {}

impl<'b, T: ?Sized + Marker<'b>> Object for T {
    type Out = &'static str;
}

fn pull<'b, T: Marker<'b> + ?Sized>(value: <T as Object>::Out) -> &'static str {
    value
}

fn extend<'a>(value: &'a str) -> &'static str {
    pull::<dyn Object<Out = &'a str>>(value)
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
