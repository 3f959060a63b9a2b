//! A struct holds no reference.
#![forbid(unsafe_code)]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
#[repr(C)]
pub struct Mine {
    a: &'static str,
}

fn main() {}
