//! The opaque type is that of a method.
//!
//! Issue: 155520
//! Gives: any value outlives what it borrows, under the next solver
//! Seen: plain rustc refuses it; the next solver alone does not
//! Refused by: compiler
//! Reason: may not live long enough

struct Maker;

impl Maker {
    fn inner<T: 'static>(&self, value: T) -> impl Sized + use<T> {
        value
    }

    fn outer<T>(&self, value: T) -> impl Sized + 'static + use<T> {
        self.inner(value)
    }
}

fn main() {
    let _ = Maker.outer(());
}
