//! The opaque type implements a trait that leads to Any.
//!
//! Issue: 155520
//! Gives: any value outlives what it borrows, under the next solver
//! Seen: plain rustc refuses it; the next solver alone does not
//! Refused by: compiler
//! Reason: may not live long enough

use std::any::Any;

trait AsAny {
    fn as_any(&self) -> &(dyn Any + 'static);
}

impl<T: 'static> AsAny for T {
    fn as_any(&self) -> &(dyn Any + 'static) {
        self
    }
}

fn inner<T: 'static>(value: T) -> impl AsAny {
    value
}

fn outer<T>(value: T) -> impl AsAny {
    inner(value)
}

fn main() {
    let text = String::new();
    println!("{}", outer(text.as_str()).as_any().is::<u8>());
}
