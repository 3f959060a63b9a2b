//! A library whose function only implies how its lifetimes relate.

/// Gives the value back.
pub fn shrink<'a, 'b, T: ?Sized>(_: &'a &'b (), value: &'b T) -> &'a T {
    value
}
