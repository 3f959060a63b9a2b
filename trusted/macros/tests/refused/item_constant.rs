//! An interface has no constants.
#![forbid(unsafe_code)]
use exchange::interface;

#[interface]
pub trait Service {
    const LIMIT: u32;
}

fn main() {}
