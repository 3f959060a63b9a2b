//! A packed struct may not cross.
#![forbid(unsafe_code)]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
#[repr(C, packed)]
pub struct Mine {
    a: u8,
    b: u32,
}

fn main() {}
