//! A struct is `#[repr(C)]`.
#![forbid(unsafe_code)]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
pub struct Mine {
    a: u8,
}

fn main() {}
