//! An exchangeable type does not contain itself.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable, RRef};

#[derive(Exchangeable)]
#[repr(C)]
pub struct Mine {
    next: Option<RRef<Mine>>,
}

fn main() {}
