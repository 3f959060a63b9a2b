//! Nobody hides references in a variant by saying that it may hold them.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, unused, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable, RRef};

#[derive(Exchangeable)]
#[repr(C)]
struct Hidden {
    reference: RRef<u64>,
}

impl exchange::generated::InVariant for Hidden {}

#[derive(Exchangeable)]
#[repr(C)]
enum Choice {
    Reference(Hidden),
    Number(u64),
}

fn main() {}
