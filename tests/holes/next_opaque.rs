//! An opaque type hides that its parameter must be 'static.
//!
//! Issue: 155520
//! Gives: any value outlives what it borrows, under the next solver
//! Seen: plain rustc refuses it; the next solver alone does not
//! Refused by: compiler
//! Reason: may not live long enough

fn inner<T: 'static>(value: T) -> impl Sized {
    value
}

fn outer<T>(value: T) -> impl Sized + 'static {
    inner(value)
}

fn main() {
    let _ = outer(());
}
