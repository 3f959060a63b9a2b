//! A union may not cross.
#![forbid(unsafe_code)]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
#[repr(C)]
pub union Mine {
    a: u8,
    b: u32,
}

fn main() {}
