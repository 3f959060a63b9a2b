//! A struct holds no `Vec`.
#![forbid(unsafe_code)]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
#[repr(C)]
pub struct Mine {
    a: Vec<u8>,
}

fn main() {}
