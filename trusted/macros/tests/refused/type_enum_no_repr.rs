//! An enum has a representation.
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "trybuild's package does not know the workspace's")]
use exchange::{Exchangeable};

#[derive(Exchangeable)]
pub enum Mine {
    A,
    B,
}

fn main() {}
