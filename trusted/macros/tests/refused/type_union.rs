//! A union may not cross.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
#[repr(C)]
pub union Mine {
    a: u8,
    b: u32,
}

fn main() {}
