//! An enum is plain data.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable, RRef};

#[derive(Exchangeable)]
#[repr(C)]
pub enum Mine {
    A(RRef<u64>),
    B,
}

fn main() {}
