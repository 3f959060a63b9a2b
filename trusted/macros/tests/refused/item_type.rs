//! An interface has no associated types.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    type Item;
}

fn main() {}
