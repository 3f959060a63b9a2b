//! A library that makes the pointer for its users.

fn shrink<'a, 'b>(_: &'a &'b (), value: &'b str) -> &'a str {
    value
}

/// The pointer.
pub fn pointer<'a>() -> for<'x> fn(&'a &'a (), &'x str) -> &'a str {
    shrink
}
