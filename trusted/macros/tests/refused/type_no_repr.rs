//! A struct is `#[repr(C)]`.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
pub struct Mine {
    a: u8,
}

fn main() {}
