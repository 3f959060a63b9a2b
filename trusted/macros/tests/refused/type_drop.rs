//! An exchangeable type has no destructor of its own.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
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
