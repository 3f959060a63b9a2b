//! Every field is exchangeable.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable};

pub struct Other;

#[derive(Exchangeable)]
#[repr(C)]
pub struct Mine {
    a: Other,
}

fn main() {}
