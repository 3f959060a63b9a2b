//! An enum has a representation.
#![forbid(unsafe_code)]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
pub enum Mine {
    A,
    B,
}

fn main() {}
