//! An exchangeable type does not contain itself.
#![forbid(unsafe_code)]
use exchange::{Exchangeable, RRef};

#[derive(Exchangeable)]
#[repr(C)]
pub struct Mine {
    next: Option<RRef<Mine>>,
}

fn main() {}
