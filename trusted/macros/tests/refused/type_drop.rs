//! An exchangeable type has no destructor of its own.
#![forbid(unsafe_code)]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
#[repr(C)]
pub struct Mine {
    a: u8,
}

impl Drop for Mine {
    fn drop(&mut self) {}
}

fn main() {}
