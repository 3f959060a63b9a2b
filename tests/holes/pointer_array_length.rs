//! The cast stands in the constant of an array's length.
//!
//! Issue: 25860
//! Gives: a constant that nobody checked
//! Seen: compiles; a constant cannot be made to call it
//! Refused by: casts, shapes
//! Reason: cast to

static UNIT: &&() = &&();

fn shrink<'a, 'b, T: ?Sized>(_: &'a &'b (), value: &'b T) -> &'a T {
    value
}

pub static LENGTH: [u8; {
    let pointer: for<'x> fn(&'static &'static (), &'x str) -> &'static str = shrink;
    let _ = pointer;
    3
}] = [0; 3];

fn main() {
    println!("{} {}", LENGTH.len(), UNIT == &&());
}
